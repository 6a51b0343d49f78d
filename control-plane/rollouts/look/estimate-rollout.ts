// Owns how long a rollout will take, from what earlier databases took for the same: honest, so null where nothing is known.

import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { experienceWith } from '../../../catalog/rollout-estimates.ts';
import type { RolloutPolicy } from '../../../catalog/rollout-policy.ts';
import { failuresTolerated, roomInBudget } from '../drive/error-budget.ts';
import type { RolloutPlan } from './rollout-plan.ts';

export type Estimate = { ms: number | null; reason: string };

/** How many may fail, and how many databases are in flight at most. */
export function limitsOf({ policy, members }: RolloutPlan): { failures: number; at_once: number } {
  const total = members.length;
  const failures = policy.on_failure === 'stop' ? 0 : failuresTolerated(policy.budget.failures, total);
  return { failures, at_once: mostAtOnce(policy, members, total) };
}

/** Of these members, by the caps of the policy and by its budget. */
function mostAtOnce(policy: RolloutPolicy, members: readonly { clusterId: string }[], total: number): number {
  const clusters = new Set(members.map((member) => member.clusterId)).size;
  const room = roomInBudget(policy, { total, failed: 0 }, 0);
  return Math.min(policy.concurrency, clusters * policy.concurrency_per_cluster, room, members.length);
}

/** Waves one after the other, each at the concurrency that it may have; windows are not waited for in it. */
export async function estimateRollout(db: CatalogDb, plan: RolloutPlan): Promise<Estimate> {
  const { members, waves, policy, releaseId, statement } = plan;
  if (members.length === 0) return { ms: 0, reason: 'nothing is to be done' };
  const what = releaseId === null ? { statement: statement ?? '' } : { releaseId };
  const known = await experienceWith(db, what);
  if (known === undefined)
    return { ms: null, reason: 'no database has done this yet; the first wave will tell what it takes' };
  let ms = 0;
  waves.forEach((wave, position) => {
    const own = members.filter((member) => member.wave === position);
    const atOnce = Math.min(wave.concurrency ?? policy.concurrency, mostAtOnce(policy, own, members.length));
    ms += Math.ceil(own.length / atOnce) * known.medianMs + (position < waves.length - 1 ? wave.bake_ms : 0);
  });
  const reason = `from the median of ${known.databases} databases that have done it, ${Math.round(known.medianMs)} ms, without waiting for windows`;
  return { ms: Math.round(ms), reason };
}
