// Owns reading one rollout as it is answered: its row, the name of its release and how far its members are.
import type { Caller } from '../../catalog/caller.ts';
import { catalogFault } from '../../catalog/errors.ts';
import type { RolloutId } from '../../catalog/ids.ts';
import { progressOf } from '../../catalog/rollout-progress.ts';
import { sharesOf } from '../../catalog/rollout-shares.ts';
import { findRollout, type NamedRollout, nameReleases, type RolloutRow } from '../../catalog/rollouts.ts';
import type { AdminApiDeps } from './deps.ts';
import { presentInFull, presentProgress, type RolloutInFull, type RolloutView } from './present/rollout.ts';

/** @throws Fault rollout_not_found */
export async function readProgress(deps: AdminApiDeps, id: RolloutId): Promise<RolloutView> {
  const row = await namedRollout(deps, id);
  return presentProgress(row, await progressOf(deps.db, id));
}

/** @throws Fault rollout_not_found */
export async function readInFull(deps: AdminApiDeps, id: RolloutId, caller: Caller): Promise<RolloutInFull> {
  const row = await namedRollout(deps, id);
  return presentInFull(row, await progressOf(deps.db, id), caller.role);
}

/** Work begins at once where it may; what is lost here, the reconciler of rollouts finds within seconds. */
export function wakeRollout(deps: AdminApiDeps, { id, state, policy }: RolloutRow): void {
  if (state === 'running') void deps.wakeFleet(id, sharesOf(policy.concurrency));
}

async function namedRollout({ db }: AdminApiDeps, id: RolloutId): Promise<NamedRollout> {
  const row = await findRollout(db, id);
  if (row === undefined) throw catalogFault('rollout_not_found', 'There is no rollout with this id.');
  return (await nameReleases(db, [row]))[0] as NamedRollout;
}
