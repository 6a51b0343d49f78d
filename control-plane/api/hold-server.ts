// Owns that one server is installed by one request at a time, for as long as the transaction of that request lasts.
import { sql } from 'kysely';
import { catalogFault } from '../../catalog/errors.ts';
import type { CatalogTx } from '../../catalog/open-catalog.ts';

/** An installation takes one or two seconds; a slow server may take longer than the catalog lets a transaction idle. */
const installMaxSec = 90;

/** @throws Fault operation_in_progress */
export async function holdServer(tx: CatalogTx, address: { host: string; port: number }): Promise<void> {
  await sql`select set_config('idle_in_transaction_session_timeout', ${`${installMaxSec}s`}, true)`.execute(tx);
  const lock = await sql<{ free: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended(${`freehold register ${address.host}:${address.port}`}, 0)) as free`.execute(
    tx,
  );
  if (lock.rows[0]?.free !== true) {
    throw catalogFault(
      'operation_in_progress',
      'This server is being installed right now. Wait, then list the clusters.',
      {
        retryAfterMs: 2_000,
      },
    );
  }
}
