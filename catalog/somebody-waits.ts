// Owns the word whether somebody is waiting for an operation, for those who work on what nobody waits for. One look at the newest
// rows, whatever their number: it is asked in every turn of a rollout's workers.
import { sql } from 'kysely';
import type { CatalogTx } from './open-catalog.ts';

/** People and their programs come in groups, and a cold creation takes a second on a busy server. */
const recentlyMs = 2_000;
/** Ids grow with time. Stock-keeping begins some operations at once, so the newest alone would say little. */
const newestMax = 20;

export async function somebodyWaits(tx: CatalogTx): Promise<boolean> {
  const { rows } = await sql<{ waits: boolean }>`
    select exists (select from (select lane, created_at from operations order by id desc limit ${newestMax}) newest
      where lane = 'foreground' and created_at > clock_timestamp() - ${recentlyMs} * interval '1 millisecond') as waits`.execute(
    tx,
  );
  return rows[0]?.waits === true;
}
