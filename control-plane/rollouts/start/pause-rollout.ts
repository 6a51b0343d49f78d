// Owns pausing: holds from the next claim on, so at most what is in flight is still finished (M08).
import type { Caller } from '../../../catalog/caller.ts';
import type { RolloutId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { assertState, moveRollout, type RolloutRow } from '../../../catalog/rollouts.ts';
import { changeRollout } from './change-rollout.ts';

/** @throws Fault rollout_not_found | rollout_not_in_state */
export function pauseRollout(db: CatalogDb, id: RolloutId, caller: Caller, reason?: string): Promise<RolloutRow> {
  return changeRollout(db, id, caller, 'rollout.pause', async (tx, before) => {
    assertState(before, ['running'], 'paused');
    const rollout = await moveRollout(tx, before, { state: 'paused' });
    return { rollout, detail: reason === undefined ? {} : { reason } };
  });
}
