// Owns what a policy is refused for: what contradicts itself, can never open, or can never be judged. Each refusal names the
// member of the policy and what would do.
import { catalogFault } from '../../../catalog/errors.ts';
import type { RolloutPolicy } from '../../../catalog/rollout-policy.ts';
import type { Fault } from '../../../platform/errors.ts';
import { parseSql, SqlSyntaxError } from '../../migration-files/parse-sql.ts';
import { windowProblem } from '../drive/windows.ts';

type Judged = { kind: string; lane: string };

/** All of them, in the order of the policy; each is policy_invalid. */
export async function policyRefusals(policy: RolloutPolicy, judged: Judged, now: Date): Promise<Fault[]> {
  const problems = [...waveProblems(policy, now), ...budgetProblems(policy, judged)];
  const probe = policy.probe === null ? undefined : await probeProblem(policy.probe);
  if (probe !== undefined) problems.push(probe);
  return problems.map((text) => catalogFault('policy_invalid', text));
}

function waveProblems({ waves }: RolloutPolicy, now: Date): string[] {
  return waves.flatMap(({ size, group, window }, at) => {
    const problems: string[] = [];
    if ((size === undefined) === (group === undefined)) problems.push('give it either a size or a group.');
    if (size !== undefined && Number.parseFloat(size) === 0)
      problems.push('a wave of nobody proves nothing; give it a size of 1 or more, or leave it out.');
    const closed = window === undefined ? undefined : windowProblem(window, now);
    if (closed !== undefined) problems.push(`its window: ${closed}`);
    return problems.map((problem) => `waves/${at}: ${problem}`);
  });
}

/** A rule that can never be judged, or is broken before anything has happened, would only look like a safety net. */
function budgetProblems({ budget }: RolloutPolicy, { kind, lane }: Judged): string[] {
  const problems: string[] = [];
  if (budget.lock_wait_ms === 0)
    problems.push('budget/lock_wait_ms: no migration waits 0 ms; allow 1 ms or more, or leave the rule out with null.');
  const ofRuntimes = (['error_rate', 'p99_factor'] as const).filter((rule) => budget[rule] !== null);
  if (ofRuntimes.length > 0 && (kind === 'exec' || lane !== 'tenant')) {
    const why = kind === 'exec' ? 'an exec changes no version' : `of the lane ${lane} they say nothing`;
    for (const rule of ofRuntimes)
      problems.push(
        `budget/${rule}: runtimes report by the version of the lane tenant, and ${why}; leave the rule out.`,
      );
  }
  return problems;
}

async function probeProblem(probe: string): Promise<string | undefined> {
  try {
    const [statement, second] = await parseSql(probe);
    if (statement?.kind === 'SelectStmt' && second === undefined) return undefined;
    return 'probe: it must be one SELECT that gives one true value.';
  } catch (error) {
    if (!(error instanceof SqlSyntaxError)) throw error;
    return `probe: it does not parse: line ${error.line}, column ${error.column}: ${error.message}.`;
  }
}
