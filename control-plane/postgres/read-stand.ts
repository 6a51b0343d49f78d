// Owns the look at where a database stands for somebody who must be sure: under the lock of the migrators, so nobody is on the way
// to change it. A backend whose client is dead goes on with its message; until it has ended there is no answer.
import { catalogFault } from '../../catalog/errors.ts';
import type { LaneVersions } from '../../catalog/schema.ts';
import type { Session } from '../../platform/postgres/session.ts';
import { versionsOf } from '../migration-files/lane-hash.ts';
import type { BookkeepingTable } from './bookkeeping-table.ts';
import { migrationLockId } from './plan-migration.ts';
import { readLedger } from './read-ledger.ts';

/** `ran`: the ledger has something that this run has applied. */
export type DatabaseStand = { lanes: LaneVersions; ran: boolean };

/** The session must be the owner's. @throws Fault migration_at_work */
export async function readStand(session: Session, run: string, bookkeeping: BookkeepingTable): Promise<DatabaseStand> {
  await session.begin();
  try {
    const { rows } = await session.query<{ held: boolean }>(
      `select pg_catalog.pg_try_advisory_xact_lock(${migrationLockId}) as held`,
    );
    if (rows[0]?.held !== true)
      throw catalogFault('migration_at_work', 'A migration is at work in this database; look again when it has ended.');
    const { applied, withActor } = await readLedger(session, bookkeeping);
    // Of one-off statements too, which belong to no lane.
    const ran =
      withActor && (await session.query('select from freehold.ledger where run = $1 limit 1', [run])).rows.length > 0;
    return { lanes: versionsOf(applied), ran };
  } finally {
    if (session.usable) await session.rollback();
  }
}
