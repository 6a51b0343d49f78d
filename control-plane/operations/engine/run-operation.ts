// Owns running an operation from wherever it stands to an end: done, undone, or due again later. Any number of workers may be
// told to run the same one; the lease lets one of them. Whatever dies here is found in the catalog and run again.
import { catalogFault } from '../../../catalog/errors.ts';
import type { OperationId } from '../../../catalog/ids.ts';
import { acquireLease, nextAttemptInMs, type StepMark } from '../../../catalog/operations.ts';
import { isFault } from '../../../platform/errors.ts';
import { withLogContext } from '../../../platform/log.ts';
import { definitionOf } from '../definitions.ts';
import { backoffMs } from './backoff.ts';
import { describeFailure } from './describe-failure.ts';
import { type EngineDeps, leaseDefaultMs } from './engine-deps.ts';
import { holdLease } from './held-lease.ts';
import { OperationRun } from './operation-run.ts';
import { CancelNoticed, OutcomeUnknown, runSteps, StepFailed } from './run-steps.ts';
import { undoSteps } from './undo-steps.ts';

export type RunOutcome = {
  /** 'busy': another run holds it, or it is finished. 'lost': this run may not go on; somebody will. */
  outcome: 'succeeded' | 'failed' | 'cancelled' | 'retry' | 'busy' | 'lost';
  retryInMs?: number;
};

/** @throws only when the catalog cannot be reached at the beginning */
export function runOperation(deps: EngineDeps, id: OperationId): Promise<RunOutcome> {
  return withLogContext({ operation_id: id }, async () => {
    const leaseMs = deps.leaseMs ?? leaseDefaultMs;
    const acquiredAtMs = performance.now();
    const leased = await acquireLease(deps.catalog, id, deps.holder, leaseMs);
    if (leased === undefined) return notNow(deps, id);
    const definition = definitionOf(leased.kind);
    const lease = holdLease({ catalog: deps.catalog, log: deps.log, leaseMs, acquiredAtMs }, id, leased.fence);
    const run = new OperationRun(deps, definition, leased, lease);
    try {
      const ended = await toAnEnd(run);
      deps.log.info(
        { kind: leased.kind, tenant_id: leased.tenant_id, ...ended, ms: Math.round(performance.now() - acquiredAtMs) },
        'operation run',
      );
      return ended;
    } catch (error) {
      return abandon(run, error, leaseMs);
    } finally {
      lease.stop();
    }
  });
}

async function toAnEnd(run: OperationRun): Promise<RunOutcome> {
  if (run.state === 'undoing') return goBack(run);
  try {
    if (run.operation.cancel_requested) throw new CancelNoticed();
    await runSteps(run);
    return { outcome: 'succeeded' };
  } catch (error) {
    if (error instanceof CancelNoticed) {
      const { code, message } = catalogFault('operation_cancelled', 'The operation was cancelled.');
      run.error = { code, message, retryable: false };
      return turnBack(run);
    }
    if (error instanceof StepFailed) return afterFailure(run, error);
    throw error;
  }
}

async function afterFailure(run: OperationRun, failed: StepFailed): Promise<RunOutcome> {
  const { onFailure, attemptsMax = Number.POSITIVE_INFINITY } = run.definition;
  run.error = describeFailure(failed.cause, failed.step);
  run.attempt++;
  run.deps.log.warn(
    { err: failed.cause, step: failed.step, attempt: run.attempt, retryable: run.error.retryable },
    'step failed',
  );
  if (onFailure === 'keep-trying' || (run.error.retryable && run.attempt < attemptsMax))
    return later(run, backoffMs(run.attempt));
  if (onFailure === 'undo') return turnBack(run);
  run.state = 'failed';
  await run.write(run.deps.catalog, failureMarks(run), 0);
  return { outcome: 'failed' };
}

/** The direction is recorded before anything is undone: nobody goes forward after that. */
async function turnBack(run: OperationRun): Promise<RunOutcome> {
  run.state = 'undoing';
  run.attempt = 0;
  await run.write(run.deps.catalog, failureMarks(run));
  run.unrecorded = [];
  return goBack(run);
}

async function goBack(run: OperationRun): Promise<RunOutcome> {
  try {
    const outcome = await undoSteps(run);
    return outcome === 'again' ? await later(run, 0, 'pending') : { outcome };
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    run.attempt++;
    run.deps.log.error(
      { err: error.cause, step: error.step, attempt: run.attempt },
      'undo failed; it is tried until it succeeds',
    );
    return later(run, backoffMs(run.attempt));
  }
}

/** What is still unrecorded, and the error beside the step that had it. */
function failureMarks(run: OperationRun): StepMark[] {
  const position = run.definition.steps.findIndex((step) => step.name === run.error?.step);
  const failed = run.stateOf(position) === 'intended' ? run.definition.steps[position] : undefined;
  if (failed === undefined || run.error === null) return run.unrecorded;
  return [...run.unrecorded, { position, name: failed.name, state: 'intended', attempts: 0, error: run.error }];
}

async function later(run: OperationRun, waitMs: number, state = run.state): Promise<RunOutcome> {
  run.state = state;
  await run.write(run.deps.catalog, failureMarks(run), waitMs);
  await run.deps.wake(run.operation.id, run.operation.lane, waitMs);
  return { outcome: 'retry', retryInMs: waitMs };
}

/** Nothing more is written: either somebody else has the lease, or the catalog is away, or nobody knows what it holds. */
async function abandon(run: OperationRun, error: unknown, leaseMs: number): Promise<RunOutcome> {
  const cause = error instanceof OutcomeUnknown ? error.cause : error;
  run.deps.log.warn({ err: cause, kind: run.operation.kind }, 'run abandoned; it goes on when its lease is over');
  if (!isFault(error, 'lease_lost')) await run.deps.wake(run.operation.id, run.operation.lane, leaseMs + 50);
  return { outcome: 'lost' };
}

async function notNow(deps: EngineDeps, id: OperationId): Promise<RunOutcome> {
  const dueInMs = await nextAttemptInMs(deps.catalog, id);
  if (dueInMs === undefined) return { outcome: 'busy' };
  // Woken too early, by another nudge or by a clock that runs ahead.
  const operation = await deps.catalog.selectFrom('operations').select('lane').where('id', '=', id).executeTakeFirst();
  if (operation !== undefined) await deps.wake(id, operation.lane, Math.ceil(dueInMs) + 1);
  return { outcome: 'retry', retryInMs: dueInMs };
}
