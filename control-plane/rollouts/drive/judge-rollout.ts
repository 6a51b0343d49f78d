// Owns reading the figures of a rollout and what follows from them: the halt with its verdict, or how many members may be
// taken. Runs with the row of the rollout locked, so every worker and the driver see the same.
import type { CatalogTx } from '../../../catalog/open-catalog.ts';
import {
  durations,
  latestFailures,
  type MemberFigures,
  memberFigures,
  runtimeFigures,
  slowestLock,
} from '../../../catalog/rollout-figures.ts';
import { moveRollout, type RolloutRow } from '../../../catalog/rollouts.ts';
import { judge, roomInBudget } from './error-budget.ts';

export type Judgement = { rollout: RolloutRow; figures: MemberFigures; room: number };

/** @param version of the lane at the end of the rollout; null for an exec */
export async function judgeRollout(tx: CatalogTx, rollout: RolloutRow, version: string | null): Promise<Judgement> {
  const figures = await memberFigures(tx, rollout);
  const { policy } = rollout;
  const { budget } = policy;
  const times = budget.duration_factor === null ? { medianMs: null, slowest: null } : await durations(tx, rollout);
  const asksRuntimes = version !== null && (budget.error_rate !== null || budget.p99_factor !== null);
  const verdict = judge(policy, {
    total: figures.total,
    failed: figures.failed,
    failures: figures.failed === 0 ? [] : await latestFailures(tx, rollout),
    canary: figures.waves > 1 ? { size: figures.firstWave, failed: figures.firstFailed } : null,
    slowestLock: budget.lock_wait_ms === null ? null : await slowestLock(tx, rollout),
    ...times,
    runtimes: asksRuntimes ? await runtimeFigures(tx, version) : null,
  });
  if (verdict !== undefined) {
    return { rollout: await moveRollout(tx, rollout, { state: 'halted', verdict }), figures, room: 0 };
  }
  return { rollout, figures, room: roomInBudget(policy, figures, figures.running) };
}
