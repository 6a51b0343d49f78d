// Owns waking operations that are due and that nobody runs: their nudge was lost, their worker died, or the queue gave up.
// This is why the queue may lose everything (P03, P11).
import { dueOperations } from '../../catalog/operations.ts';
import type { Reconciler } from './reconciler.ts';

/** A nudge takes milliseconds; what is overdue for longer has lost it, or stands in a long queue and is nudged in vain. */
const overdueMs = 2_000;
/** Oldest first; the rest comes with the next run. */
const wakeMax = 500;

export const stuckOperations: Reconciler = {
  name: 'stuck-operations',
  everyMs: 5_000,
  async run({ catalog, wakeAgain }) {
    const due = await dueOperations(catalog, wakeMax, overdueMs);
    for (const { id, lane } of due) await wakeAgain(id, lane);
    return { woken: due.length };
  },
};
