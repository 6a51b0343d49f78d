// Owns handing an operation to a worker of the same process, without the way through the queue: two commits and a notification
// less for somebody who waits. The nudge is sent all the same, late, for the case that this process dies; it is taken back when
// the work has been done. Two runs of one operation are kept apart by its lease, as ever.
import type { OperationId } from '../../catalog/ids.ts';

export type HandOver = {
  /** Undefined when this process has its hands full. Resolves to whether the operation was handled; never rejects. */
  take(operationId: OperationId): Promise<boolean> | undefined;
  /** Everything that is handled, by hand-over or by nudge, goes through here, so that it can be counted. */
  run(operationId: OperationId): Promise<boolean>;
  /** Takes nothing new and waits for what was taken. */
  close(): Promise<void>;
};

/** After the lease of a process that died: earlier, the nudge would find the operation held and be lost on it. */
export const nudgeAfterHandOverMs = 16_000;

export function createHandOver(concurrency: number, handle: (id: OperationId) => Promise<boolean>): HandOver {
  const taken = new Set<Promise<boolean>>();
  let inHand = 0;
  let closed = false;
  const run = async (id: OperationId): Promise<boolean> => {
    inHand++;
    try {
      return await handle(id);
    } finally {
      inHand--;
    }
  };
  return {
    run,
    take(id) {
      if (closed || inHand >= concurrency) return undefined;
      const done = run(id).finally(() => taken.delete(done));
      taken.add(done);
      return done;
    },
    async close() {
      closed = true;
      await Promise.all(taken);
    },
  };
}
