// Owns bringing a new database to the heads of all lanes, as provisioning does it: one message, no questions beforehand that are
// not needed, and an error that keeps its kind, since the operation decides by its sqlstate whether to go again.
import { randomUUID } from 'node:crypto';
import type { LaneVersions } from '../../catalog/schema.ts';
import type { Session } from '../../platform/postgres/session.ts';
import { versionsOf } from '../migration-files/lane-hash.ts';
import type { Lane } from '../migration-files/migration-file.ts';
import type { BookkeepingTable } from './bookkeeping-table.ts';
import { bringDatabase } from './migrate-database.ts';
import { placeOf } from './place-error.ts';

export async function bringToHeads(
  session: Session,
  lanes: readonly Lane[],
  { owner, bookkeeping }: { owner: string; bookkeeping: BookkeepingTable },
): Promise<{ versions: LaneVersions; files: string[] }> {
  const run = randomUUID();
  const frame = { owner, run, actor: 'freehold', lockTimeoutMs, statementTimeoutMs: 0, bookkeeping };
  try {
    const { ledger } = await bringDatabase(session, {
      lanes,
      direction: 'up',
      from: { ledger: undefined },
      undo: [],
      frame,
      lockRetries: 0,
      adopt: false,
      look: undefined,
      wait: { blocker: undefined, waitedMs: 0 },
      signal: undefined,
    });
    const files = ledger.applied.filter((file) => file.run === run).map((file) => file.name);
    return { versions: versionsOf(ledger.applied), files };
  } catch (error) {
    const place = placeOf(error);
    if (place?.line !== undefined && error instanceof Error)
      error.message = `${place.lane}/${place.file}.sql line ${place.line}: ${error.message}`;
    throw error;
  }
}

/** As the login's own setting: nobody else works in a new database, but a person may sit on the lock. */
const lockTimeoutMs = 5_000;
