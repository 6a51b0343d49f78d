// Owns the frame of every change that a person makes to a rollout: its row locked, the change, its audit entry.
import { writeAudit } from '../../../catalog/audit.ts';
import type { Caller } from '../../../catalog/caller.ts';
import type { RolloutId } from '../../../catalog/ids.ts';
import type { CatalogDb, CatalogTx } from '../../../catalog/open-catalog.ts';
import { lockRollout, type RolloutRow } from '../../../catalog/rollouts.ts';

export type Changed = { rollout: RolloutRow; detail: Record<string, unknown> };

/** @throws Fault rollout_not_found, and what `change` throws */
export function changeRollout(
  db: CatalogDb,
  id: RolloutId,
  caller: Caller,
  action: string,
  change: (tx: CatalogTx, rollout: RolloutRow) => Promise<Changed>,
): Promise<RolloutRow> {
  return db.transaction().execute(async (tx) => {
    const before = await lockRollout(tx, id);
    const { rollout, detail } = await change(tx, before);
    await writeAudit(tx, caller, {
      action,
      targetType: 'rollout',
      targetId: id,
      detail: { from: before.state, ...detail },
    });
    return rollout;
  });
}
