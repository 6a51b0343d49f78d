// Owns the lease of one run: renews it while a step takes its time, carries the fencing number into every write, and knows by
// a clock of its own when to stop believing in it. A process that was stopped for a minute finds out before its next act,
// not at its next write (P02).
import { catalogFault } from '../../../catalog/errors.ts';
import type { OperationId } from '../../../catalog/ids.ts';
import type { CatalogDb, CatalogTx } from '../../../catalog/open-catalog.ts';
import { type RunRecord, recordRun, renewLease } from '../../../catalog/operations.ts';
import type { Log } from '../../../platform/log.ts';

export type HeldLease = {
  readonly signal: AbortSignal;
  /** @throws Fault lease_lost when the lease may have run out */
  assertHeld(): void;
  /** @throws Fault lease_lost */
  write(
    db: CatalogDb | CatalogTx,
    record: Omit<RunRecord, 'lease'>,
    releaseForMs?: number,
  ): Promise<{ cancelRequested: boolean }>;
  stop(): void;
};

export type HeldLeaseDeps = { catalog: CatalogDb; log: Log; leaseMs: number; acquiredAtMs: number };

export function holdLease(deps: HeldLeaseDeps, id: OperationId, fence: number): HeldLease {
  const { catalog, log, leaseMs } = deps;
  const lost = new AbortController();
  // Counted from before the statement was sent, so never later than the catalog counts it.
  let heldUntilMs = deps.acquiredAtMs + leaseMs;
  const renew = async (): Promise<void> => {
    const sentAtMs = performance.now();
    try {
      if (await renewLease(catalog, id, fence, leaseMs)) heldUntilMs = sentAtMs + leaseMs;
      else lost.abort(leaseLost());
    } catch (error) {
      log.warn({ err: error }, 'the lease could not be renewed');
    }
  };
  // Two renewals may fail before the lease is in danger.
  const timer = setInterval(() => void renew(), leaseMs / 3);
  timer.unref();
  return {
    signal: lost.signal,
    assertHeld() {
      if (lost.signal.aborted || performance.now() >= heldUntilMs) throw leaseLost();
    },
    async write(db, record, releaseForMs) {
      const sentAtMs = performance.now();
      const lease = releaseForMs === undefined ? { keepMs: leaseMs } : { releaseForMs };
      const written = await recordRun(db, id, fence, { ...record, lease });
      heldUntilMs = sentAtMs + leaseMs;
      return written;
    },
    stop: () => clearInterval(timer),
  };
}

function leaseLost() {
  return catalogFault('lease_lost', 'Another worker runs this operation now.');
}
