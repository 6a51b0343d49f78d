// Owns the way forward. A world step: intent recorded, probed, run, recorded with the intent of the next. A catalog step: its
// effect, its record and what is still unrecorded in one transaction.

import type { StepMark } from '../../../catalog/operations.ts';
import { isFault } from '../../../platform/errors.ts';
import { ConnectionLostError } from '../../../platform/postgres/errors.ts';
import { type CatalogStep, isCatalogStep, type OperationFacts, type WorldStep } from '../operation-definition.ts';
import type { OperationRun } from './operation-run.ts';

/** The step has failed, and the catalog knows nothing new. */
export class StepFailed extends Error {
  readonly step: string;
  constructor(step: string, cause: unknown) {
    super(`step ${step} failed`, { cause });
    this.step = step;
  }
}

/** Somebody asked for it before this write. */
export class CancelNoticed extends Error {}

/** A commit was sent and not answered: only the catalog knows, and the next run reads it back (P10). */
export class OutcomeUnknown extends Error {}

/** Returns when the operation is recorded as succeeded. */
export async function runSteps(run: OperationRun): Promise<void> {
  for (;;) {
    const position = run.nextPosition();
    if (position === undefined) break;
    const step = run.definition.steps[position] as WorldStep | CatalogStep;
    if (isCatalogStep(step)) await commitStep(run, position, step);
    else await runWorldStep(run, position, step);
  }
  if (run.state !== 'succeeded') await finish(run);
  await run.wakeStarted();
}

async function runWorldStep(run: OperationRun, position: number, step: WorldStep): Promise<void> {
  const intent: StepMark = { position, name: step.name, state: 'intended', attempts: 1 };
  if (run.stateOf(position) !== 'intended' || !run.intents.delete(position)) {
    const marks = [...run.unrecorded, intent];
    const { cancelRequested } = await run.write(run.deps.catalog, marks);
    run.mark(marks);
    run.unrecorded = [];
    if (cancelRequested) throw new CancelNoticed();
  }
  try {
    await observed(run, step.name, async () => {
      run.lease.assertHeld();
      if ((await step.probe(run.context)) === 'done') return;
      run.lease.assertHeld();
      await step.run(run.context);
    });
  } catch (error) {
    throw failureOf(step.name, error);
  }
  run.attempt = 0;
  run.error = null;
  const done: StepMark = { position, name: step.name, state: 'done', attempts: 0 };
  run.unrecorded = [done];
  run.mark([done]);
}

async function commitStep(run: OperationRun, position: number, step: CatalogStep): Promise<void> {
  const before = {
    facts: structuredClone(run.context.facts),
    state: run.state,
    attempt: run.attempt,
    error: run.error,
  };
  const startedAtMs = performance.now();
  try {
    run.lease.assertHeld();
    await notify(run, step.name, 'before');
    await run.deps.catalog.transaction().execute(async (tx) => {
      await step.commit(run.context, tx);
      run.mark([{ position, name: step.name, state: 'done', attempts: 1 }]);
      run.attempt = 0;
      run.error = null;
      const last = run.nextPosition() === undefined;
      const intents = run.intentOfNext();
      if (last) run.state = 'succeeded';
      const done: StepMark = { position, name: step.name, state: 'done', attempts: 1 };
      const marks = [...run.unrecorded, done, ...intents];
      const { cancelRequested } = await run.write(tx, marks, last ? 0 : undefined);
      if (cancelRequested) throw new CancelNoticed();
      run.mark(intents);
      for (const intent of intents) run.intents.add(intent.position);
    });
    run.unrecorded = [];
  } catch (error) {
    if (error instanceof ConnectionLostError) throw new OutcomeUnknown('commit not answered', { cause: error });
    restore(run.context.facts, before.facts);
    run.state = before.state;
    run.attempt = before.attempt;
    run.error = before.error;
    run.unmark(position, undefined);
    run.intents.clear();
    run.forgetStarted();
    if (error instanceof CancelNoticed) throw error;
    throw failureOf(step.name, error);
  }
  try {
    await notify(run, step.name, 'after', performance.now() - startedAtMs);
  } catch (error) {
    throw new OutcomeUnknown('stopped after the commit', { cause: error });
  }
}

/** Only where the last step was one in the world. */
async function finish(run: OperationRun): Promise<void> {
  run.state = 'succeeded';
  await run.write(run.deps.catalog, run.unrecorded, 0);
  run.unrecorded = [];
}

export function failureOf(step: string, error: unknown): unknown {
  return isFault(error, 'lease_lost') ? error : new StepFailed(step, error);
}

export function restore(facts: OperationFacts, before: OperationFacts): void {
  for (const key of Object.keys(facts) as (keyof OperationFacts)[]) delete facts[key];
  Object.assign(facts, before);
}

async function observed(run: OperationRun, step: string, act: () => Promise<void>): Promise<void> {
  const startedAtMs = performance.now();
  await notify(run, step, 'before');
  await act();
  await notify(run, step, 'after', performance.now() - startedAtMs);
}

export async function notify(
  run: OperationRun,
  step: string,
  moment: 'before' | 'after',
  durationMs?: number,
  direction: 'run' | 'undo' = 'run',
): Promise<void> {
  const { observe } = run.deps;
  if (observe === undefined) return;
  const told: Promise<void> = observe({
    operationId: run.operation.id,
    kind: run.definition.kind,
    step,
    direction,
    moment,
    ...(durationMs === undefined ? {} : { durationMs }),
  });
  await told;
}
