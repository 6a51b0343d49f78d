// Owns the judgement on a rollout: which rule of its budget is broken, and by what. Pure: the figures come from the catalog,
// the verdict goes back into it. A rule that is null says nothing; the first broken one in this order is the verdict.
import type { RolloutPolicy, Verdict } from '../../../catalog/rollout-policy.ts';

export type VersionFigures = { requests: number; errors: number; p99_ms: number };

export type BudgetFigures = {
  /** All members of the rollout. */
  total: number;
  /** Since the rollout was last started or resumed: what a person has seen and let pass does not halt it again. */
  failed: number;
  failures: { database_id: string; code: string }[];
  /** The first wave; null where it is the only one. */
  canary: { size: number; failed: number } | null;
  slowestLock: { database_id: string; lock_wait_ms: number } | null;
  /** Of the first wave. */
  medianMs: number | null;
  /** Of the waves behind it. */
  slowest: { database_id: string; duration_ms: number } | null;
  /** By the version of the lane, over the live runtimes; null where none reports. */
  runtimes: { target: VersionFigures; others: VersionFigures } | null;
};

/** Failures that are tolerated; a percentage is rounded up, so that 1 % of a small fleet is one. */
export function failuresTolerated(failures: string, total: number): number {
  const { percent, count } = failuresOf(failures);
  return percent === undefined ? count : Math.min(count, Math.ceil((percent / 100) * total));
}

/** '10', '5%' or '5% max 10'. */
function failuresOf(failures: string): { percent: number | undefined; count: number } {
  const [percent, max] = failures.split('%');
  if (max === undefined) return { percent: undefined, count: Number(failures) };
  return { percent: Number(percent), count: max === '' ? Number.POSITIVE_INFINITY : Number(max.slice(' max '.length)) };
}

/** So many more may be in flight: all of them failing breaks the budget by one and no more. */
export function roomInBudget(policy: RolloutPolicy, figures: { total: number; failed: number }, running: number) {
  const tolerated = policy.on_failure === 'stop' ? 0 : failuresTolerated(policy.budget.failures, figures.total);
  return Math.max(0, tolerated + 1 - figures.failed - running);
}

/** A fast migration that takes a second more is no harm. */
const durationSlackMs = 1_000;

export function judge(policy: RolloutPolicy, figures: BudgetFigures): Verdict | undefined {
  return (
    failures(policy, figures) ??
    canary(policy, figures) ??
    locks(policy, figures) ??
    durations(policy, figures) ??
    runtimes(policy, figures)
  );
}

function failures({ budget, on_failure }: RolloutPolicy, { failed, total, failures }: BudgetFigures) {
  if (failed === 0) return undefined;
  if (on_failure === 'stop')
    return verdict('on_failure', 'A member failed, and the policy is to stop at the first.', { failed, failures });
  const tolerated = failuresTolerated(budget.failures, total);
  if (failed <= tolerated) return undefined;
  const message = `${failed} of ${total} members failed; the budget tolerates ${tolerated}.`;
  return verdict('failures', message, { failed, tolerated, total, failures });
}

/** A first wave that fails says that the next one will: only a budget that says otherwise lets it pass. */
function canary({ budget }: RolloutPolicy, { canary, failures }: BudgetFigures) {
  if (canary === null || canary.failed === 0) return undefined;
  const { size, failed } = canary;
  const { percent, count } = failuresOf(budget.failures);
  const tolerated = Math.min(count, percent === undefined ? size - 1 : Math.floor((percent / 100) * size));
  if (failed <= tolerated) return undefined;
  const message = `${failed} of the ${size} members of the first wave failed; no other wave was begun.`;
  return verdict('canary', message, { failed, tolerated, size, failures });
}

function locks({ budget }: RolloutPolicy, { slowestLock }: BudgetFigures) {
  if (budget.lock_wait_ms === null || slowestLock === null || slowestLock.lock_wait_ms <= budget.lock_wait_ms)
    return undefined;
  const message = `A member waited ${slowestLock.lock_wait_ms} ms for locks; the budget allows ${budget.lock_wait_ms} ms.`;
  return verdict('lock_wait_ms', message, { ...slowestLock, allowed_ms: budget.lock_wait_ms });
}

function durations({ budget }: RolloutPolicy, { medianMs, slowest }: BudgetFigures) {
  if (budget.duration_factor === null || medianMs === null || slowest === null) return undefined;
  const allowedMs = Math.max(medianMs * budget.duration_factor, medianMs + durationSlackMs);
  if (slowest.duration_ms <= allowedMs) return undefined;
  const message = `A member took ${slowest.duration_ms} ms; the first wave's median was ${Math.round(medianMs)} ms.`;
  return verdict('duration_factor', message, { ...slowest, median_ms: medianMs, allowed_ms: Math.round(allowedMs) });
}

function runtimes({ budget }: RolloutPolicy, { runtimes }: BudgetFigures) {
  if (runtimes === null || runtimes.target.requests < budget.requests_min) return undefined;
  const { target, others } = runtimes;
  const rate = target.errors / target.requests;
  if (budget.error_rate !== null && rate > budget.error_rate) {
    const message = `${percent(rate)} of the requests to migrated tenants failed; the budget allows ${percent(budget.error_rate)}.`;
    return verdict('error_rate', message, { target, others, allowed: budget.error_rate });
  }
  if (budget.p99_factor === null || others.requests < budget.requests_min) return undefined;
  if (target.p99_ms <= others.p99_ms * budget.p99_factor) return undefined;
  const message = `The p99 of migrated tenants is ${target.p99_ms} ms, that of the others ${others.p99_ms} ms.`;
  return verdict('p99_factor', message, { target, others, allowed_factor: budget.p99_factor });
}

function verdict(rule: string, message: string, evidence: Record<string, unknown>): Verdict {
  return { rule, message, evidence };
}

function percent(rate: number): string {
  return `${(rate * 100).toFixed(1)} %`;
}
