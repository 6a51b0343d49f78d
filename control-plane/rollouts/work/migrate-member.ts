// Owns bringing one member to its target and putting what came of it into words. Never throws: a database that refuses is a
// result, and so is a cluster that is away, which is tried again until it has been tried too often.
import type { ClaimedMember, MemberResult } from '../../../catalog/rollout-members.ts';
import type { MemberError } from '../../../catalog/rollout-policy.ts';
import type { RolloutRow } from '../../../catalog/rollouts.ts';
import { backoffMs } from '../../operations/engine/backoff.ts';
import { describeFailure } from '../../operations/engine/describe-failure.ts';
import { type MigrateOptions, type MigrateOutcome, type Migrator, memberErrorOf, type Target } from './migrator.ts';

/** With the waits between, a cluster that answers to its health check and to nobody else has some minutes. */
export const attemptsMax = 12;

export async function migrateMember(
  migrator: Migrator,
  rollout: RolloutRow,
  target: Target | undefined,
  member: ClaimedMember,
  signal: AbortSignal,
): Promise<MemberResult> {
  const startedAtMs = performance.now();
  try {
    const outcome = await act(migrator, rollout, target, member, signal);
    return {
      ...blankResult(member),
      state: outcome.outcome,
      // A one-off leaves the lanes where they were.
      lanes: rollout.kind === 'exec' ? null : outcome.lanes,
      fromVersion: outcome.from,
      toVersion: outcome.to,
      durationMs: Math.round(outcome.durationMs),
      lockWaitMs: Math.round(outcome.lockWaitMs),
    };
  } catch (thrown) {
    const { error, lockWaitMs } = memberErrorOf(thrown) ?? { error: unforeseen(thrown), lockWaitMs: 0 };
    const again = mayPass(error, member);
    return {
      ...blankResult(member),
      state: again ? 'pending' : 'failed',
      durationMs: Math.round(performance.now() - startedAtMs),
      lockWaitMs: Math.round(lockWaitMs),
      error,
      retryInMs: again ? backoffMs(member.attempts) : 0,
    };
  }
}

function act(
  migrator: Migrator,
  rollout: RolloutRow,
  target: Target | undefined,
  { databaseId, lanes }: ClaimedMember,
  signal: AbortSignal,
): Promise<MigrateOutcome> {
  const { policy } = rollout;
  const options: MigrateOptions = {
    direction: rollout.kind === 'rollback' ? 'down' : 'up',
    run: rollout.id,
    actor: rollout.actor,
    lockTimeoutMs: policy.lock_timeout_ms,
    lockRetries: policy.lock_retries,
    statementTimeoutMs: policy.statement_timeout_ms,
    probe: policy.probe,
    known: lanes,
    undo: target?.undo ?? [],
    signal,
  };
  if (rollout.statement !== null) return migrator.execOnce(databaseId, rollout.id, rollout.statement, options);
  if (target === undefined) throw new TypeError('a rollout of a lane has a release');
  return migrator.migrate(databaseId, target.lane, options);
}

/**
 * Only what says nothing of the database itself: nobody answered. A lock or a bad row has been tried often enough. Also where the first
 * failure stops the rollout: a tenant that waits for its cluster has not failed, and one that has waited in vain has.
 */
function mayPass(error: MemberError, { attempts }: ClaimedMember): boolean {
  return error.retryable && nobodyAnswered.has(error.code) && attempts < attemptsMax;
}

/** The cluster is away, or its connection budget is used up. */
const nobodyAnswered: ReadonlySet<string> = new Set(['cluster_unreachable', 'pool_timeout']);

function unforeseen(thrown: unknown): MemberError {
  const { code, message, internal, retryable } = describeFailure(thrown, undefined);
  const detail = internal === undefined ? {} : { detail: internal };
  return { code, message, ...detail, state_of_database: 'unknown', retryable };
}

export function blankResult({
  databaseId,
  fence,
}: Pick<MemberResult, 'databaseId' | 'fence'>): Omit<MemberResult, 'state'> {
  return {
    databaseId,
    fence,
    lanes: null,
    fromVersion: null,
    toVersion: null,
    durationMs: null,
    lockWaitMs: null,
    error: null,
    retryInMs: 0,
  };
}
