// Owns the way from Kysely to sessions: queries of one Kysely transaction run on one leased session, all others on any.
// Values come and go as in Session.query: int8 → string, json parsed, timestamptz → Date.
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
  type TransactionSettings,
} from 'kysely';
import type { IsolationLevel, Session } from './session.ts';
import type { SessionPool } from './session-pool.ts';

/** What Kysely asks of a session. */
export type KyselySession = Pick<Session, 'query' | 'script' | 'begin' | 'commit' | 'rollback' | 'usable'>;
export type KyselyLease = { readonly session: KyselySession; release(): void };

type Acquire = (options: { signal?: AbortSignal | undefined }) => Promise<KyselyLease>;

/** `destroy()` on it does nothing: whoever made the pool closes it. */
export function createKysely<DB>(pool: SessionPool, key = 'default'): Kysely<DB> {
  return createKyselyOn<DB>(({ signal }) => pool.lease(key, { signal }));
}

/** On sessions that somebody else lends. Nothing that a holder of the handle can reach leads to what `acquire` knows. */
export function createKyselyOn<DB>(acquire: Acquire): Kysely<DB> {
  const dialect: Dialect = {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new SessionDriver(acquire),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  };
  return new Kysely<DB>({ dialect });
}

class SessionDriver implements Driver {
  readonly #acquire: Acquire;

  constructor(acquire: Acquire) {
    this.#acquire = acquire;
  }

  async init(): Promise<void> {}

  async acquireConnection(options?: { signal?: AbortSignal }): Promise<SessionConnection> {
    return new SessionConnection(await this.#acquire({ signal: options?.signal }));
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    const isolation = settings.isolationLevel && isolationOf(settings.isolationLevel);
    await sessionOf(connection).begin({
      ...(isolation && { isolation }),
      ...(settings.accessMode === 'read only' && { readOnly: true }),
    });
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await sessionOf(connection).commit();
  }

  /** Where the connection is lost the server has rolled back by itself, and the error that is on its way says so. */
  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    const session = sessionOf(connection);
    if (session.usable) await session.rollback();
  }

  async savepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await sessionOf(connection).script(`SAVEPOINT ${quoted(name)}`);
  }

  async rollbackToSavepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await sessionOf(connection).script(`ROLLBACK TO ${quoted(name)}`);
  }

  async releaseSavepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await sessionOf(connection).script(`RELEASE ${quoted(name)}`);
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    (connection as SessionConnection).release();
  }

  async destroy(): Promise<void> {}
}

class SessionConnection implements DatabaseConnection {
  readonly #lease: KyselyLease;

  constructor(lease: KyselyLease) {
    this.#lease = lease;
  }

  static sessionOf(connection: SessionConnection): KyselySession {
    return connection.#lease.session;
  }

  release(): void {
    this.#lease.release();
  }

  async executeQuery<R>(query: CompiledQuery, options?: { signal?: AbortSignal }): Promise<QueryResult<R>> {
    const result = await this.#lease.session.query<R>(query.sql, query.parameters, { signal: options?.signal });
    return changesRows.has(result.command)
      ? { rows: result.rows, numAffectedRows: BigInt(result.rowCount) }
      : { rows: result.rows };
  }

  // biome-ignore lint/correctness/useYield: it exists to say that it does not
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('streaming is not supported: read in pages by key');
  }
}

const changesRows = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);

function sessionOf(connection: DatabaseConnection): KyselySession {
  return SessionConnection.sessionOf(connection as SessionConnection);
}

function isolationOf(level: NonNullable<TransactionSettings['isolationLevel']>): IsolationLevel {
  if (level === 'snapshot') throw new Error('PostgreSQL calls the isolation level snapshot repeatable read');
  return level === 'read uncommitted' ? 'read committed' : level; // as PostgreSQL itself treats it
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
