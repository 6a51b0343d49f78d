// Owns where a database stands by the catalog's word, so that a member of a rollout begins with the message itself instead of
// with a look. The message asks whether the word holds (guards.ts) and does nothing where it does not; then somebody looks.

import { compareVersions } from '../../catalog/lane-versions.ts';
import type { LaneVersions } from '../../catalog/schema.ts';
import { laneHash, stampOf } from '../migration-files/lane-hash.ts';
import type { Lane } from '../migration-files/migration-file.ts';
import type { BookkeepingTable } from './bookkeeping-table.ts';
import { actorSince } from './plan-migration.ts';
import type { Ledger } from './read-ledger.ts';

/** Of the tenant lane alone. Undefined where only a look tells what is to be done, or whether anything is. */
export function believedLedger(
  target: Lane,
  known: LaneVersions | undefined,
  bookkeeping: BookkeepingTable,
): Ledger | undefined {
  const { core, tenant } = known ?? {};
  if (target.name !== 'tenant' || core === undefined || tenant === undefined) return undefined;
  if (compareVersions(core.version, stampOf(actorSince.name)) < 0) return undefined;
  const there = beginningsOf(target).get(tenant.hash) ?? 0;
  const missing = target.files.slice(there);
  if (there === 0 || missing.length === 0) return undefined;
  if (missing.some((file) => !file.up.transaction || file.program !== null)) return undefined;
  const applied = target.files.slice(0, there).map(({ name, hash }) => ({ lane: 'tenant', name, hash, run: '' }));
  return { withActor: true, mayMove: true, bookkeeping, applied, foreign: [], believed: true };
}

/** Hash of every beginning of a lane, with the number of its files: the same for all members of a rollout. */
const known = new WeakMap<Lane, Map<string, number>>();

function beginningsOf(lane: Lane): Map<string, number> {
  let beginnings = known.get(lane);
  if (beginnings === undefined) {
    beginnings = new Map(lane.files.map((_, at) => [laneHash(lane.files.slice(0, at + 1)), at + 1]));
    known.set(lane, beginnings);
  }
  return beginnings;
}
