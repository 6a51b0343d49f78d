// Owns the beginning of a rollout: plan, members, waves and Idempotency-Key are written in one transaction, so that it is whole
// or not there; a repeated request gets the rollout of the first (P04).
// With nobody behind it ends where it begins, and no database is asked anything (M13).
import { writeAudit } from '../../../catalog/audit.ts';
import type { Caller } from '../../../catalog/caller.ts';
import type { RolloutKind } from '../../../catalog/fleet-schema.ts';
import { claimIdempotencyKey } from '../../../catalog/idempotency.ts';
import { newId, type ReleaseId, type RolloutId } from '../../../catalog/ids.ts';
import type { CatalogDb, CatalogTx } from '../../../catalog/open-catalog.ts';
import { insertMembers, type NewMember } from '../../../catalog/rollout-members.ts';
import type { RolloutPolicy, Selection } from '../../../catalog/rollout-policy.ts';
import { insertWaves, type NewWave } from '../../../catalog/rollout-waves.ts';
import {
  lockRollout,
  moveRollout,
  type RolloutRow,
  refuseSecondRollout,
  writeRolloutEvent,
} from '../../../catalog/rollouts.ts';

export type PlannedRollout = {
  kind: RolloutKind;
  lane: string;
  releaseId: ReleaseId | null;
  statement: string | null;
  movesHead: boolean;
  selection: Selection;
  policy: RolloutPolicy;
  approvalRequired: boolean;
  waves: readonly NewWave[];
  members: readonly NewMember[];
};

export type CreateOptions = {
  /** Of the rollout that is made; an answer with another id is that of an earlier request. */
  id?: RolloutId;
  idempotency?: { key: string; requestHash: string };
};

/** @throws Fault rollout_in_progress | idempotency_*, and what `plan` throws: then nothing is left behind */
export function createRollout(
  db: CatalogDb,
  caller: Caller,
  lane: string,
  plan: (tx: CatalogTx) => Promise<PlannedRollout>,
  { id = newId('rollout'), idempotency }: CreateOptions = {},
): Promise<RolloutRow> {
  return db.transaction().execute(async (tx) => {
    if (idempotency !== undefined) {
      const result = { rolloutId: id };
      const first = await claimIdempotencyKey(tx, { principal: caller.actor, ...idempotency, result });
      if (first !== undefined) return lockRollout(tx, first.rolloutId);
    }
    await refuseSecondRollout(tx, lane);
    const planned = await plan(tx);
    const { kind, releaseId, statement, movesHead, selection, policy, approvalRequired, waves, members } = planned;
    await tx
      .insertInto('rollouts')
      .values({
        id,
        kind,
        lane,
        release_id: releaseId,
        statement,
        // Until the waves are there nobody may drive it; no other transaction sees this.
        state: 'awaiting-approval',
        moves_head: movesHead,
        selection: JSON.stringify(selection),
        policy: JSON.stringify(policy),
        approval_required: approvalRequired,
        actor: caller.actor,
        request_id: caller.requestId ?? null,
      })
      .execute();
    if (waves.length > 0) await insertWaves(tx, id, waves);
    await insertMembers(tx, id, members);
    const detail = { kind, lane, release_id: releaseId, selection, databases: members.length };
    await writeAudit(tx, caller, { action: 'rollout.create', targetType: 'rollout', targetId: id, detail });
    const row = await lockRollout(tx, id);
    if (members.length === 0) return moveRollout(tx, row, { state: 'succeeded' });
    if (!approvalRequired) return moveRollout(tx, row, { state: 'running', event: 'rollout.started.v1' });
    await writeRolloutEvent(tx, row, 'rollout.awaiting_approval.v1');
    return row;
  });
}
