// The proof that every operation must pass: fail at each step and come to a clean slate or to the end; run each step twice;
// lose the process before and after each step (P01); be delivered twice at once (P02).
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { catalogFault } from '../../catalog/errors.ts';
import type { OperationId } from '../../catalog/ids.ts';
import { findOperation } from '../../catalog/operations.ts';
import { definitionOf, definitions } from '../../control-plane/operations/definitions.ts';
import type { StepObserver } from '../../control-plane/operations/engine/engine-deps.ts';
import { isCatalogStep, type OperationFacts } from '../../control-plane/operations/operation-definition.ts';
import { retryOperation } from '../../control-plane/operations/start/retry-operation.ts';
import { expectCleanSlate } from '../support/clean-slate.ts';
import { createInstallation, type Installation } from '../support/installation.ts';
import { caller, type Scenario, scenarios } from '../support/operation-scenarios.ts';
import { createWorkers } from '../support/worker-handle.ts';
import { isAt, type Moment } from '../support/worker-process.ts';

let house: Installation;
let workers: ReturnType<typeof createWorkers>;
beforeAll(async () => {
  house = await createInstallation();
  workers = createWorkers(house.catalog.address);
});
afterAll(async () => {
  await workers.close();
  await house.close();
});

const momentsOf = (scenario: Scenario, direction: 'run' | 'undo' = 'run'): Moment[] =>
  scenario.steps.flatMap((step) => [
    { step, direction, moment: 'before' as const },
    { step, direction, moment: 'after' as const },
  ]);
const nameOf = ({ step, direction, moment }: Moment) => `${moment} ${direction} of ${step}`;
const isCatalog = (scenario: Scenario, name: string) => {
  const step = definitionOf(scenario.kind).steps.find((candidate) => candidate.name === name);
  return step !== undefined && isCatalogStep(step);
};

/** The lease of a dead or stopped run is over, and waits between attempts too. */
async function letTimePass(): Promise<void> {
  await sql`update operations set lease_until = least(lease_until, now()), next_attempt_at = now()
    where state in ('pending', 'running', 'undoing')`.execute(house.catalog.db);
}

/** As workers and reconcilers would do it, without the waiting. */
async function converge(): Promise<void> {
  for (let round = 0; round < 20; round++) {
    await letTimePass();
    const left = await house.catalog.db
      .selectFrom('operations')
      .select('id')
      .where('state', 'in', ['pending', 'running', 'undoing'])
      .execute();
    if (left.length === 0) return;
    for (const { id } of left) await house.run(id);
  }
  throw new Error('does not converge');
}

async function stateOf(id: OperationId) {
  return (await findOperation(house.catalog.db, id))?.state;
}

test('every operation has a scenario', () => {
  expect(new Set(scenarios.map((scenario) => scenario.kind))).toEqual(new Set(definitions.map(({ kind }) => kind)));
});

describe.each(scenarios)('$name', (scenario) => {
  const { onFailure } = definitionOf(scenario.kind);

  test('ends well, and its progress says so', async () => {
    const id = await scenario.begin(house);
    const seen: string[] = [];
    const observe: StepObserver = async ({ step, moment }) => void (moment === 'before' && seen.push(step));
    expect(await house.run(id, { observe })).toEqual({ outcome: 'succeeded' });
    expect(seen).toEqual(scenario.steps);
    const operation = await findOperation(house.catalog.db, id);
    expect(operation).toMatchObject({
      steps_done: scenario.steps.length,
      steps_total: scenario.steps.length,
      error: null,
    });
    expect(await house.run(id)).toEqual({ outcome: 'busy' });
    await expectCleanSlate(house);
  }, 30_000);

  test('fails for good at each step: a clean slate, or the end', async () => {
    for (const here of momentsOf(scenario)) {
      const id = await scenario.begin(house);
      let failed = false;
      const observe: StepObserver = async (moment) => {
        if (failed || !isAt(moment, here)) return;
        failed = true;
        throw catalogFault('database_incomplete', 'made by the test');
      };
      await house.run(id, { observe });
      expect(failed, nameOf(here)).toBe(true);
      await converge();
      // After the commit of a catalog step nothing can fail any more: only its answer was lost.
      const forward = onFailure === 'keep-trying' || (isCatalog(scenario, here.step) && here.moment === 'after');
      expect(await stateOf(id), nameOf(here)).toBe(forward ? 'succeeded' : 'failed');
      if (onFailure === 'stop' && !forward) {
        await retryOperation(house.catalog.db, id, caller);
        await converge();
        expect(await stateOf(id), nameOf(here)).toBe('succeeded');
      }
    }
    await expectCleanSlate(house); // what any case has left is still there
  }, 240_000);

  test('runs each step twice without a difference', async () => {
    const id = await scenario.begin(house);
    const { steps } = definitionOf(scenario.kind);
    const observe: StepObserver = async ({ step: name, moment }) => {
      const step = steps.find((candidate) => candidate.name === name);
      if (moment !== 'after' || step === undefined || isCatalogStep(step)) return;
      const operation = await findOperation(house.catalog.db, id);
      if (operation === undefined) throw new Error('no operation');
      const facts = operation.facts as OperationFacts;
      const context = {
        operation,
        facts,
        deps: house.deps,
        failure: null,
        signal: new AbortController().signal,
        wakeLater: () => {},
      };
      await step.probe(context);
      await step.run(context);
    };
    expect(await house.run(id, { observe })).toEqual({ outcome: 'succeeded' });
    await expectCleanSlate(house);
  }, 30_000);

  test('P01 kill -9 before and after each step: converges', async () => {
    for (const stopAt of momentsOf(scenario)) {
      const id = await scenario.begin(house);
      const worker = await workers.next();
      worker.order({ operationId: id, leaseMs: 15_000, stopAt });
      expect(await worker.news(), nameOf(stopAt)).toEqual({ stopped: true });
      await worker.kill();
      await converge();
      expect(await stateOf(id), nameOf(stopAt)).toBe('succeeded');
    }
    await expectCleanSlate(house); // what any case has left is still there
  }, 240_000);

  test.runIf(onFailure === 'undo')(
    'P01 kill -9 before and after each undo: converges',
    async () => {
      const failAt: Moment = { step: scenario.steps.at(-1) ?? '', direction: 'run', moment: 'before' };
      for (const stopAt of momentsOf(scenario, 'undo')) {
        if (stopAt.step === failAt.step || (isCatalog(scenario, stopAt.step) && stopAt.moment === 'after')) continue;
        const id = await scenario.begin(house);
        const worker = await workers.next();
        worker.order({ operationId: id, leaseMs: 15_000, stopAt, failAt });
        expect(await worker.news(), nameOf(stopAt)).toEqual({ stopped: true });
        await worker.kill();
        await converge();
        expect(await stateOf(id), nameOf(stopAt)).toBe('failed');
        await expectCleanSlate(house);
      }
    },
    120_000,
  );

  test('P02 delivered twice at once: the run that was stopped changes nothing when it comes back', async () => {
    for (const step of scenario.steps) {
      const stopAt: Moment = { step, direction: 'run', moment: 'before' };
      const id = await scenario.begin(house);
      const worker = await workers.next();
      const leaseMs = 2_000;
      worker.order({ operationId: id, leaseMs, stopAt });
      expect(await worker.news(), nameOf(stopAt)).toEqual({ stopped: true });
      worker.signal('SIGSTOP');
      const pausedAtMs = performance.now();
      await converge();
      expect(await stateOf(id), nameOf(stopAt)).toBe('succeeded');
      const left = leaseMs - (performance.now() - pausedAtMs);
      if (left > 0) await new Promise((resolve) => setTimeout(resolve, left + 1));
      worker.signal('SIGCONT');
      worker.goOn();
      expect(await worker.news(), nameOf(stopAt)).toEqual({ outcome: 'lost' });
      await worker.kill();
      expect(await stateOf(id), nameOf(stopAt)).toBe('succeeded');
    }
    await expectCleanSlate(house); // what any case has left is still there
  }, 240_000);
});
