// Owns the face of a leased session that graphile's SQL asks for. One request is one transaction that was begun before, so a
// transaction within it is the same one: whatever fails, the whole request fails.
import type { PgClient, PgClientQuery, PgClientResult, WithPgClient } from '@dataplan/pg';
import type { QueryOptions, Session } from '../../platform/postgres/session.ts';

/** The member of a request's context that a built schema looks for. */
export const withClientKey = 'withPgClient';

export type ClientHooks = {
  /** The size of each answer, as text. */
  onBytes?(bytes: number): void;
  /** What to throw in the place of an error. */
  onFailure?(error: unknown, elapsedMs: number): unknown;
};

/** @param limits asked before each statement: time and bytes that are left */
export function withSession(session: Session, limits: () => QueryOptions, hooks: ClientHooks = {}): WithPgClient {
  const client = clientOf(session, limits, hooks);
  return async (_settings, work) => work(client);
}

export function clientOf(session: Session, limits: () => QueryOptions, hooks: ClientHooks = {}): PgClient {
  const client: PgClient = {
    async query<T>({ text, values = [], arrayMode }: PgClientQuery): Promise<PgClientResult<T>> {
      const startedMs = performance.now();
      try {
        const { fields, rows, rowCount } = await session.queryRaw(text, values.map(textOf), limits());
        hooks.onBytes?.(bytesOf(rows));
        if (arrayMode === true) return { rows: rows as T[], rowCount };
        const named = rows.map((row) => Object.fromEntries(row.map((value, at) => [fields[at]?.name, value])));
        return { rows: named as T[], rowCount };
      } catch (error) {
        throw hooks.onFailure === undefined ? error : hooks.onFailure(error, performance.now() - startedMs);
      }
    },
    withTransaction: (work) => work(client),
  };
  return client;
}

/** What graphile's codecs hand over: text already, numbers, booleans and NULL; anything else is a mistake of ours. */
function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  throw new TypeError(`a parameter of type ${typeof value} reached the session`);
}

function bytesOf(rows: readonly (readonly (string | null)[])[]): number {
  let bytes = 0;
  for (const row of rows) for (const value of row) bytes += value === null ? 0 : value.length;
  return bytes;
}
