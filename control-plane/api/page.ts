// Owns pages of lists: `limit` and `cursor` in, { data, has_more, next_cursor } and a Link header out. Every list is walked by a
// key that only grows, newest first, so rows made meanwhile shift nothing: no row comes twice, none is left out.
import { z } from '@hono/zod-openapi';
import { type CursorBinding, makeCursor, openCursor } from './cursor.ts';
import type { AdminApiDeps } from './deps.ts';
import type { GuardedRequest } from './route.ts';

const limitMax = 200;
const limitDefault = 50;

export const pageQuery = {
  limit: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, `must be a whole number from 1 to ${limitMax}`)
    .transform(Number)
    .refine((limit) => limit <= limitMax, `must be a whole number from 1 to ${limitMax}`)
    .default(limitDefault)
    .openapi({ type: 'integer', minimum: 1, maximum: limitMax, default: limitDefault }),
  cursor: z.string().min(1).max(1_000).optional().openapi({ description: '`next_cursor` of the page before.' }),
};

export function pageSchema<T extends z.ZodType>(name: string, item: T) {
  return z
    .object({ data: z.array(item), has_more: z.boolean(), next_cursor: z.string().nullable() })
    .openapi(name, { description: 'One page of a list, newest first.' });
}

export type PageQuery = { limit: number; cursor?: string | undefined };

export type PageSource<R> = {
  list: string;
  /** The filter as parsed, without limit and cursor. */
  filter: object;
  /** At most `limit` rows behind `after`. */
  read(page: { after: string | undefined; limit: number }): Promise<R[]>;
  keyOf(row: R): string;
  present(row: R): unknown;
};

export async function answerPage<R>(
  deps: AdminApiDeps,
  request: GuardedRequest & { query: PageQuery },
  source: PageSource<R>,
): Promise<Response> {
  const { c, caller, query } = request;
  const binding: CursorBinding = { list: source.list, filter: source.filter, caller };
  const after = query.cursor === undefined ? undefined : openCursor(deps, binding, query.cursor);
  const rows = await source.read({ after, limit: query.limit + 1 });
  const page = rows.slice(0, query.limit);
  const last = page.at(-1);
  const nextCursor =
    rows.length > query.limit && last !== undefined ? makeCursor(deps, binding, source.keyOf(last)) : null;
  const headers: Record<string, string> = nextCursor === null ? {} : { link: nextLink(c.req.url, nextCursor) };
  return c.json(
    { data: page.map(source.present), has_more: nextCursor !== null, next_cursor: nextCursor },
    200,
    headers,
  );
}

/** Relative, because a proxy in front may have another name. */
function nextLink(url: string, cursor: string): string {
  const next = new URL(url);
  next.searchParams.set('cursor', cursor);
  return `<${next.pathname}${next.search}>; rel="next"`;
}
