// Owns one request to the REST API between the door and the database: what it asks for, the statement, the rows that come back.
// Everything it throws is a RestError, a Fault, or an error of the session.
import type { PlanLimits } from '../../catalog/plan-limits.ts';
import type { Session } from '../../platform/postgres/session.ts';
import { explainedFailure } from '../statement-failure.ts';
import type { Statement } from './build.ts';
import { csvOf } from './csv.ts';
import type { Count, MediaType, Preferences } from './preferences.ts';
import type { RowsQuery } from './query-types.ts';
import { RestError } from './rest-error.ts';
import { countStatement } from './statements.ts';
import type { Table, TenantSchema } from './tenant-schema.ts';

export type RestRequest = {
  readonly method: string;
  readonly target: { readonly kind: 'root' } | { readonly kind: 'table' | 'function'; readonly name: string };
  readonly params: URLSearchParams;
  readonly preferences: Preferences;
  readonly media: MediaType;
  readonly range: { offset: number; limit: number | undefined } | undefined;
  /** The parsed body and the same as it came; undefined where there is none. */
  readonly body: { readonly value: unknown; readonly text: string } | undefined;
};

export type RestResult = {
  readonly status: number;
  readonly body: string | null;
  readonly headers: Readonly<Record<string, string>>;
};

/** Runs one statement within the limits of the plan. */
export type Ask = (statement: Statement) => Promise<(string | null)[][] & { names?: readonly string[] }>;

export function asking(session: Session, limits: PlanLimits, signal: AbortSignal): Ask {
  return async (statement) => {
    const { statement_timeout_ms: timeoutMs, result_bytes_max: bytesMax } = limits;
    const startedMs = performance.now();
    const result = await session
      .queryRaw(statement.text, statement.params, { signal, timeoutMs, bytesMax })
      .catch((error: unknown) => {
        throw explainedFailure(error, limits, performance.now() - startedMs);
      });
    return Object.assign(result.rows, { names: result.fields.map(({ name }) => name) });
  };
}

export type Page = { body: string | null; rows: number; total: number | undefined; extra: string | null };

/** The one row `body, rows, total or key`; of a CSV the rows themselves. */
export async function askPage(ask: Ask, statement: Statement, media: MediaType): Promise<Page> {
  const rows = await ask(statement);
  if (media.kind === 'csv' && rows.names?.join() !== 'body,rows,total' && rows.names?.join() !== 'body,rows,key') {
    return { body: csvOf(rows.names ?? [], rows), rows: rows.length, total: undefined, extra: null };
  }
  const [body = null, count = null, extra = null] = rows[0] ?? [];
  return {
    body,
    rows: Number(count ?? 0),
    total: extra === null || !/^\d+$/.test(extra) ? undefined : Number(extra),
    extra,
  };
}

/** One object was asked for. @throws RestError PGRST116 */
export function checkSingle(media: MediaType, rows: number): void {
  if (media.kind !== 'object' || rows === 1) return;
  throw new RestError('PGRST116', 'Cannot coerce the result to a single JSON object', {
    details: `The result contains ${rows} rows`,
  });
}

/** Up to here an estimate is counted exactly: a wrong small number is seen, a wrong large one is not. */
const estimateFrom = 1_000;

export async function totalOf(
  ask: Ask,
  schema: TenantSchema,
  table: Table,
  query: RowsQuery,
  count: Count,
): Promise<number> {
  if (count !== 'exact') {
    const [[plan] = []] = await ask(countStatement(schema, table, query, 'plan'));
    const planned = (JSON.parse(plan ?? '[]') as [{ Plan: { 'Plan Rows': number } }])[0].Plan['Plan Rows'];
    if (count === 'planned' || planned > estimateFrom) return planned;
  }
  const [[total] = []] = await ask(countStatement(schema, table, query, 'count'));
  return Number(total);
}

/** `0-9/100`. @throws RestError PGRST103 where the page begins behind the end */
export function pageHeaders(
  offset: number,
  rows: number,
  total: number | undefined,
): { status: number; range: string } {
  if (total !== undefined && offset > 0 && offset > total) {
    throw new RestError('PGRST103', 'Requested range not satisfiable', {
      details: `An offset of ${offset} was requested, but there are only ${total} rows.`,
    });
  }
  const range = rows === 0 ? '*' : `${offset}-${offset + rows - 1}`;
  return { status: total !== undefined && rows < total ? 206 : 200, range: `${range}/${total ?? '*'}` };
}

/** The narrower of Range and limit/offset. */
export function withRange(query: RowsQuery, range: RestRequest['range']): RowsQuery {
  if (range === undefined) return query;
  const limits = [query.limit, range.limit].filter((limit) => limit !== undefined);
  query.limit = limits.length === 0 ? undefined : Math.min(...limits);
  query.offset += range.offset;
  return query;
}
