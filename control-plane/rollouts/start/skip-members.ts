// Owns leaving members out of a rollout, with a reason that stays beside each of them.
import type { Caller } from '../../../catalog/caller.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import type { RolloutId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { unfinishedRolloutStates } from '../../../catalog/rollout-policy.ts';
import { refuseNonMembers, setAside } from '../../../catalog/rollout-quarantine.ts';
import { assertState, type RolloutRow } from '../../../catalog/rollouts.ts';
import { changeRollout } from './change-rollout.ts';

/** @param tenants slugs or ids of tenants or databases */
export function skipMembers(
  db: CatalogDb,
  id: RolloutId,
  caller: Caller,
  tenants: readonly string[],
  reason: string,
): Promise<RolloutRow> {
  return changeRollout(db, id, caller, 'rollout.skip', async (tx, rollout) => {
    assertState(rollout, unfinishedRolloutStates, 'changed');
    await refuseNonMembers(tx, id, tenants);
    const skipped = await setAside(tx, id, { from: ['pending', 'failed'], to: 'skipped', among: tenants, reason });
    if (skipped === 0)
      throw catalogFault('rollout_not_in_state', 'None of these is a member that waits or has failed.');
    return { rollout, detail: { skipped, tenants, reason } };
  });
}
