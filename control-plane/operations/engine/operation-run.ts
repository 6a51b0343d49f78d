// Owns the state of one run of one operation in memory: which steps are done, what is to be recorded, and how it is recorded.
// The record of a finished step and the intent of the next one travel in one write.

import type { OperationId } from '../../../catalog/ids.ts';
import type { CatalogDb, CatalogTx } from '../../../catalog/open-catalog.ts';
import type { LeasedOperation, StepMark } from '../../../catalog/operations.ts';
import type { OperationError, OperationLane, OperationState } from '../../../catalog/schema.ts';
import {
  isCatalogStep,
  type OperationDefinition,
  type OperationFacts,
  type StepContext,
} from '../operation-definition.ts';
import type { EngineDeps } from './engine-deps.ts';
import type { HeldLease } from './held-lease.ts';

export class OperationRun {
  readonly deps: EngineDeps;
  readonly definition: OperationDefinition;
  readonly operation: LeasedOperation;
  readonly lease: HeldLease;
  readonly context: StepContext;
  state: OperationState;
  attempt: number;
  error: OperationError | null;
  /** A world step that is done in the world and not yet in the catalog. */
  unrecorded: StepMark[] = [];
  /** Steps whose intent this run has written already, with the record of the step before. */
  readonly intents = new Set<number>();
  readonly #recorded: Map<number, StepMark['state']>;
  #started: { id: OperationId; lane: OperationLane }[] = [];

  constructor(deps: EngineDeps, definition: OperationDefinition, operation: LeasedOperation, lease: HeldLease) {
    this.deps = deps;
    this.definition = definition;
    this.operation = operation;
    this.lease = lease;
    this.state = operation.state;
    this.attempt = operation.attempt;
    this.error = operation.error;
    this.#recorded = new Map(operation.steps.map((step) => [step.position, step.state]));
    const failure = () => this.error;
    this.context = {
      operation,
      get failure() {
        return failure();
      },
      facts: operation.facts as OperationFacts,
      deps,
      signal: lease.signal,
      wakeLater: (id, lane) => this.#started.push({ id, lane }),
    };
  }

  stateOf(position: number): StepMark['state'] | undefined {
    return this.#recorded.get(position);
  }

  /** The first step that applies and is not done. */
  nextPosition(): number | undefined {
    const position = this.definition.steps.findIndex((_, at) => this.#applies(at) && !this.#isDone(at));
    return position === -1 ? undefined : position;
  }

  /** The marks to write before the next step: its intent, if it touches the world. */
  intentOfNext(): StepMark[] {
    const position = this.nextPosition();
    const step = position === undefined ? undefined : this.definition.steps[position];
    if (position === undefined || step === undefined || isCatalogStep(step)) return [];
    return [{ position, name: step.name, state: 'intended', attempts: 1 }];
  }

  /** Counts as recorded from here on; the caller writes it. */
  mark(marks: readonly StepMark[]): void {
    for (const { position, state } of marks) this.#recorded.set(position, state);
  }

  unmark(position: number, before: StepMark['state'] | undefined): void {
    if (before === undefined) this.#recorded.delete(position);
    else this.#recorded.set(position, before);
  }

  /** @param releaseForMs given when the run ends here */
  async write(
    db: CatalogDb | CatalogTx,
    steps: readonly StepMark[],
    releaseForMs?: number,
  ): Promise<{ cancelRequested: boolean }> {
    return this.lease.write(
      db,
      {
        state: this.state,
        ...this.#progress(),
        facts: this.context.facts,
        attempt: this.attempt,
        error: this.error,
        databaseId: this.context.facts.databaseId ?? this.operation.database_id,
        steps,
      },
      releaseForMs,
    );
  }

  /** After a commit: what its transaction has started may be woken. */
  async wakeStarted(): Promise<void> {
    const started = this.#started;
    this.#started = [];
    for (const { id, lane } of started) await this.deps.wake(id, lane);
  }

  forgetStarted(): void {
    this.#started = [];
  }

  #progress(): { stepsDone: number; stepsTotal: number } {
    const applying = this.definition.steps.map((_, at) => at).filter((at) => this.#applies(at) || this.#isDone(at));
    return { stepsDone: applying.filter((at) => this.#isDone(at)).length, stepsTotal: applying.length };
  }

  #applies(position: number): boolean {
    return this.definition.steps[position]?.applies?.(this.context.facts) ?? true;
  }

  #isDone(position: number): boolean {
    return this.#recorded.get(position) === 'done';
  }
}
