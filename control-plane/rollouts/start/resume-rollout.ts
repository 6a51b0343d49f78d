// Owns resuming what was paused or halted. Whoever resumes a halted rollout has read its verdict: the budget counts from here.
import type { Caller } from '../../../catalog/caller.ts';
import type { RolloutId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { assertState, moveRollout, type RolloutRow } from '../../../catalog/rollouts.ts';
import { changeRollout } from './change-rollout.ts';

/** @throws Fault rollout_not_found | rollout_not_in_state */
export function resumeRollout(db: CatalogDb, id: RolloutId, caller: Caller, reason?: string): Promise<RolloutRow> {
  return changeRollout(db, id, caller, 'rollout.resume', async (tx, before) => {
    assertState(before, ['paused', 'halted'], 'resumed');
    const rollout = await moveRollout(tx, before, { state: 'running', verdict: null, event: 'rollout.resumed.v1' });
    return { rollout, detail: { verdict: before.verdict, ...(reason === undefined ? {} : { reason }) } };
  });
}
