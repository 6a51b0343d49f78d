// Owns what the engine needs beside what its steps need, and who may watch it.
import type { OperationId } from '../../../catalog/ids.ts';
import type { OperationKind, StepDeps } from '../operation-definition.ts';

/** 'before': the intent is recorded, nothing is done. 'after': it is done; a world step is not recorded yet. */
export type StepMoment = {
  operationId: OperationId;
  kind: OperationKind;
  step: string;
  direction: 'run' | 'undo';
  moment: 'before' | 'after';
  /** At 'after'. */
  durationMs?: number;
};

/** Metrics listen here; a test may stop or fail the run here. What it throws counts as the failure of the step. */
export type StepObserver = (moment: StepMoment) => Promise<void>;

export type EngineDeps = StepDeps & {
  /** Names this process in the lease: host, pid and something random. */
  readonly holder: string;
  readonly leaseMs?: number;
  readonly observe?: StepObserver;
};

/** Longer than any pause of a healthy process (GC, a page fault storm), short enough for 60 s to convergence after a crash. */
export const leaseDefaultMs = 15_000;
