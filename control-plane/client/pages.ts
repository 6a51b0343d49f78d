// Owns what the parts of the client share: lists page by page, and how names become parts of a path or of a header.

export type Page<T> = { data: T[]; has_more: boolean; next_cursor: string | null };
export type PageOptions = { limit?: number | undefined; cursor?: string | undefined };
/** Reads one answer. */
export type Get = <T>(path: string, query?: object) => Promise<T>;
export type Change = <T>(
  method: 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<T>;

/** @returns the two ways of reading a list of the API */
export function listOf(get: Get) {
  return <T, F extends object = object>(path: string) => ({
    /** One page. */
    page: (query: F & PageOptions) => get<Page<T>>(path, query),
    /** All of them, page by page as they are asked for. */
    list: (filter?: F & { limit?: number }) => eachItem<T>((query) => get<Page<T>>(path, query), filter ?? {}),
  });
}

async function* eachItem<T>(page: (query: object) => Promise<Page<T>>, filter: object): AsyncGenerator<T> {
  let cursor: string | null | undefined;
  do {
    const { data, next_cursor } = await page(cursor === undefined ? filter : { ...filter, cursor });
    yield* data;
    cursor = next_cursor;
  } while (cursor !== null);
}

export function ifMatch(version: number): Record<string, string> {
  return { 'if-match': `"${version}"` };
}

/** An id from a person may hold a slash; it must not become a path of its own. */
export function segment(text: string): string {
  return encodeURIComponent(text);
}
