// Owns how long a failed operation waits: exponential with full jitter, so that a hundred operations that failed together do
// not come back together (the schedule of the AWS architecture blog, "Exponential backoff and jitter").

/** A lost connection or a lock is usually gone after this. */
const firstWaitMs = 200;
/** A cluster that was away for an hour has its operations back within this. */
const waitMaxMs = 30_000;
/** Never at once: the cause needs a moment to pass. */
const waitMinMs = 20;

/** @param failures since the last progress, 1 after the first */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  const ceiling = Math.min(waitMaxMs, firstWaitMs * 2 ** Math.min(failures - 1, 20));
  return Math.round(waitMinMs + random() * (ceiling - waitMinMs));
}
