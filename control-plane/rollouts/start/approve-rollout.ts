// Owns the second pair of eyes: whoever started a rollout that needs approval cannot approve it, neither with the key it was
// started with nor with one that made it or was made by it. A key stands for a person: more than that a key cannot say.
import type { Caller } from '../../../catalog/caller.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import type { ApiKeyId, RolloutId } from '../../../catalog/ids.ts';
import type { CatalogDb, CatalogTx } from '../../../catalog/open-catalog.ts';
import { assertState, moveRollout, type RolloutRow } from '../../../catalog/rollouts.ts';
import { changeRollout } from './change-rollout.ts';

/** @throws Fault rollout_not_found | rollout_not_in_state | approval_needs_second_person */
export function approveRollout(db: CatalogDb, id: RolloutId, caller: Caller): Promise<RolloutRow> {
  return changeRollout(db, id, caller, 'rollout.approve', async (tx, before) => {
    assertState(before, ['awaiting-approval'], 'approved');
    if (await sameHands(tx, before.actor, caller.actor)) {
      const text =
        'Whoever started this rollout cannot approve it. Ask a colleague to approve it with a key of their own.';
      throw catalogFault('approval_needs_second_person', text);
    }
    const move = { state: 'running', approvedBy: caller.actor, event: 'rollout.started.v1' } as const;
    return { rollout: await moveRollout(tx, before, move), detail: { started_by: before.actor } };
  });
}

async function sameHands(tx: CatalogTx, starter: string, approver: string): Promise<boolean> {
  if (starter === approver) return true;
  const kin = await tx
    .selectFrom('api_keys')
    .select('id')
    .where((eb) =>
      eb.or([
        eb.and([eb('id', '=', starter as ApiKeyId), eb('created_by', '=', approver)]),
        eb.and([eb('id', '=', approver as ApiKeyId), eb('created_by', '=', starter)]),
      ]),
    )
    .executeTakeFirst();
  return kin !== undefined;
}
