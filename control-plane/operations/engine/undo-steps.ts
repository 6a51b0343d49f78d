// Owns the way back: in reverse, over every step that was begun. Each undo is recorded before the next one starts; the last
// record and the operation's settling are one transaction. Undoing twice does no harm.
import { ConnectionLostError } from '../../../platform/postgres/errors.ts';
import { type CatalogStep, isCatalogStep, type WorldStep } from '../operation-definition.ts';
import type { OperationRun } from './operation-run.ts';
import { failureOf, notify, OutcomeUnknown, restore } from './run-steps.ts';

export async function undoSteps(run: OperationRun): Promise<'failed' | 'cancelled' | 'again'> {
  for (let position = run.definition.steps.length - 1; position >= 0; position--) {
    const step = run.definition.steps[position] as WorldStep | CatalogStep;
    const state = run.stateOf(position);
    if (state === undefined || state === 'undone') continue;
    await undoStep(run, position, step);
  }
  if (run.error !== null && (run.definition.startAgain?.(run.context.facts, run.error) ?? false)) return 'again';
  return settle(run);
}

async function undoStep(run: OperationRun, position: number, step: WorldStep | CatalogStep): Promise<void> {
  const undone = { position, name: step.name, state: 'undone', attempts: 0 } as const;
  const facts = structuredClone(run.context.facts);
  const startedAtMs = performance.now();
  try {
    run.lease.assertHeld();
    await notify(run, step.name, 'before', undefined, 'undo');
    if (isCatalogStep(step)) {
      await run.deps.catalog.transaction().execute(async (tx) => {
        await step.undo(run.context, tx);
        await run.write(tx, [undone]);
      });
    } else {
      await step.undo(run.context);
      await notify(run, step.name, 'after', performance.now() - startedAtMs, 'undo');
      await run.write(run.deps.catalog, [undone]);
    }
  } catch (error) {
    if (error instanceof ConnectionLostError && isCatalogStep(step))
      throw new OutcomeUnknown('undo not answered', { cause: error });
    restore(run.context.facts, facts);
    run.forgetStarted();
    throw failureOf(step.name, error);
  }
  run.attempt = 0;
  run.mark([undone]);
  await run.wakeStarted();
}

async function settle(run: OperationRun): Promise<'failed' | 'cancelled'> {
  const outcome = run.error?.code === 'operation_cancelled' ? 'cancelled' : 'failed';
  try {
    await run.deps.catalog.transaction().execute(async (tx) => {
      // Finished first: what the settling starts may be on the same database.
      run.state = outcome;
      await run.write(tx, [], 0);
      await run.definition.settle?.(run.context, tx, outcome);
    });
  } catch (error) {
    if (error instanceof ConnectionLostError) throw new OutcomeUnknown('end not answered', { cause: error });
    run.state = 'undoing';
    run.forgetStarted();
    throw failureOf('settle', error);
  }
  await run.wakeStarted();
  return outcome;
}
