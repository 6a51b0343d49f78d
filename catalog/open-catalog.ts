// Owns the way into the catalog: a pool of sessions for one database and Kysely on it. Nobody else opens the catalog for
// writing; the runtime reads it by a role of its own.
import type { Kysely, Transaction } from 'kysely';
import type { Log } from '../platform/log.ts';
import type { PostgresAddress } from '../platform/postgres/address.ts';
import { createKysely } from '../platform/postgres/kysely-dialect.ts';
import { openSession } from '../platform/postgres/session.ts';
import { createSessionPool, type SessionPool } from '../platform/postgres/session-pool.ts';
import type { CatalogSchema } from './schema.ts';

export type CatalogDb = Kysely<CatalogSchema>;
export type CatalogTx = Transaction<CatalogSchema>;

export type Catalog = {
  readonly db: CatalogDb;
  readonly address: PostgresAddress;
  readonly pool: SessionPool;
  close(): Promise<void>;
};

export type CatalogSettings = { address: PostgresAddress; sessionsMax: number; applicationName: string; log: Log };

/** A transaction of ours takes some milliseconds; one that stays open longer was forgotten and holds locks of tenants. */
const idleInTransactionMs = 10_000;
/** No query of ours scans more than a page of any table; a slower one is stuck behind something. */
const statementTimeoutMs = 10_000;

/** Opens nothing yet: the first query does. */
export function openCatalog({ address, sessionsMax, applicationName, log }: CatalogSettings): Catalog {
  const pool = createSessionPool({
    open: () =>
      openSession(address, {
        applicationName,
        parameters: {
          statement_timeout: String(statementTimeoutMs),
          idle_in_transaction_session_timeout: String(idleInTransactionMs),
          // Acknowledged means durable, whatever the server's default is.
          synchronous_commit: 'on',
        },
        onNotice: (notice) => log.debug({ notice }, 'notice from the catalog'),
      }),
    maxTotal: sessionsMax,
    maxPerKey: sessionsMax,
    idleMs: 60_000,
    maxLifetimeMs: 30 * 60_000,
    // Only our own statements run here, and they leave nothing behind: SET LOCAL ends with its transaction.
    reset: false,
  });
  return { db: createKysely<CatalogSchema>(pool), address, pool, close: () => pool.close() };
}
