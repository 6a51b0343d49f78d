// Owns aborting: what is migrated stays migrated, what waits is left where it is, and the members say who is where.
import type { Caller } from '../../../catalog/caller.ts';
import type { RolloutId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { unfinishedRolloutStates } from '../../../catalog/rollout-policy.ts';
import { assertState, moveRollout, type RolloutRow } from '../../../catalog/rollouts.ts';
import { changeRollout } from './change-rollout.ts';

/** @throws Fault rollout_not_found | rollout_not_in_state */
export function abortRollout(db: CatalogDb, id: RolloutId, caller: Caller, reason?: string): Promise<RolloutRow> {
  return changeRollout(db, id, caller, 'rollout.abort', async (tx, before) => {
    assertState(before, unfinishedRolloutStates, 'aborted');
    const message = reason ?? 'Aborted by a person.';
    // Why it had halted is worth more than that somebody gave up.
    const verdict = { rule: 'aborted', message, evidence: before.verdict === null ? {} : { verdict: before.verdict } };
    const rollout = await moveRollout(tx, before, { state: 'aborted', verdict });
    return { rollout, detail: reason === undefined ? {} : { reason } };
  });
}
