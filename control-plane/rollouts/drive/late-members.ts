// Owns where databases go that come to a rollout while it runs: born, opened or claimed since it was planned. A tenant of a group
// with a maintenance window comes into a wave of these hours and no other; one whose group wants a second person is left out of a
// rollout that nobody had to approve; the others join the last wave that is nobody's hours.

import type { DatabaseId } from '../../../catalog/ids.ts';
import type { CatalogTx } from '../../../catalog/open-catalog.ts';
import { type LateDatabase, lateDatabases, type PlacedMember, placeMembers } from '../../../catalog/rollout-fleet.ts';
import type { Selection } from '../../../catalog/rollout-policy.ts';
import { insertWaves, type RolloutWaveRow, wavesToWork } from '../../../catalog/rollout-waves.ts';
import type { RolloutRow } from '../../../catalog/rollouts.ts';
import { isWholeFleet } from '../../../catalog/targets.ts';
import type { Lane } from '../../migration-files/migration-file.ts';
import { type PlanGroup, readGroups } from '../look/read-groups.ts';

export type SearchDeps = {
  /** Whom the selection names now. */
  readonly selected: (tx: CatalogTx, lane: string, selection: Selection) => Promise<readonly DatabaseId[]>;
};

export async function searchLate(
  { selected }: SearchDeps,
  tx: CatalogTx,
  { id, lane, selection }: RolloutRow,
  { hash }: Pick<Lane, 'hash'>,
): Promise<LateDatabase[]> {
  // Whom a list of databases names was known at the beginning.
  if (selection.databases !== undefined) return [];
  const among = isWholeFleet(selection) ? null : await selected(tx, lane, selection);
  return lateDatabases(tx, id, { lane, hash, among });
}

/** Groups are asked for as they are now: they say when a tenant may be touched. */
export async function placeLate(tx: CatalogTx, rollout: RolloutRow, late: readonly LateDatabase[]): Promise<void> {
  if (late.length === 0) return;
  const groups = await readGroups(tx, rollout.lane, { waves: [] });
  const { waves } = await wavesToWork(tx, rollout.id);
  const placed: PlacedMember[] = [];
  for (const database of late) {
    const { databaseId, tenantId } = database;
    const of = tenantId === null ? [] : [...groups].filter(([, { members }]) => members.has(databaseId));
    const approving = rollout.approval_required ? undefined : of.find(([, { approval }]) => approval)?.[0];
    const bound = of.find(([, { window }]) => window !== null);
    const wave = bound === undefined ? lastFree(waves) : await waveInHours(tx, rollout, waves, bound);
    placed.push({ ...database, wave, skip: approving === undefined ? null : unapproved(approving) });
  }
  await placeMembers(tx, rollout.id, placed);
}

function unapproved(group: string): string {
  return `the group ${group} wants a second person, and this rollout was not approved; begin one for it`;
}

/** Not the hours of somebody else's group: a new tenant does not wait for them, where there is another wave. */
function lastFree(waves: readonly RolloutWaveRow[]): number {
  const last = waves.findLast((wave) => wave.maintenance_window === null) ?? waves.at(-1);
  return last?.position ?? 0;
}

/** Made behind the others where the group had nobody in the rollout, or has other hours by now. */
async function waveInHours(
  tx: CatalogTx,
  { id }: RolloutRow,
  waves: RolloutWaveRow[],
  [name, { window }]: [string, PlanGroup],
): Promise<number> {
  const hours = JSON.stringify(window);
  const there = waves.findLast((wave) => wave.group_name === name && JSON.stringify(wave.maintenance_window) === hours);
  if (there !== undefined) return there.position;
  const position = waves.length;
  await insertWaves(
    tx,
    id,
    [{ name, group_name: name, bake_ms: 0, concurrency: null, maintenance_window: window }],
    position,
  );
  const { waves: now } = await wavesToWork(tx, id);
  waves.splice(0, waves.length, ...now);
  return position;
}
