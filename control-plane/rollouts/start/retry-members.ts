// Owns trying failed or skipped members again, all of them or those named. A finished rollout runs again for them; a halted or
// paused one waits for its resume.
import type { Caller } from '../../../catalog/caller.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import type { RolloutId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { refuseNonMembers, type Setting, setAside } from '../../../catalog/rollout-quarantine.ts';
import { assertState, moveRollout, type RolloutRow, refuseSecondRollout } from '../../../catalog/rollouts.ts';
import { changeRollout } from './change-rollout.ts';

/** @param tenants slugs or ids of tenants or databases; undefined: all that failed */
export function retryMembers(
  db: CatalogDb,
  id: RolloutId,
  caller: Caller,
  tenants?: readonly string[],
): Promise<RolloutRow> {
  return changeRollout(db, id, caller, 'rollout.retry', async (tx, before) => {
    assertState(before, ['running', 'paused', 'halted', 'finished'], 'retried');
    if (tenants !== undefined) await refuseNonMembers(tx, id, tenants);
    const setting: Setting =
      tenants === undefined
        ? { from: ['failed'], to: 'pending', among: null, reason: null }
        : { from: ['failed', 'skipped'], to: 'pending', among: tenants, reason: null };
    const retried = await setAside(tx, id, setting);
    if (retried === 0) throw catalogFault('rollout_not_in_state', 'No member of this rollout that failed is meant.');
    const detail = { retried, ...(tenants === undefined ? {} : { tenants }) };
    if (before.state !== 'finished') return { rollout: before, detail };
    await refuseSecondRollout(tx, before.lane);
    return { rollout: await moveRollout(tx, before, { state: 'running', event: 'rollout.resumed.v1' }), detail };
  });
}
