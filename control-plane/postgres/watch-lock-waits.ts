// Owns looking over the shoulder of a migration that may wait for a lock: who holds it, and for how long it waited. Looks from
// another session, only while the statement runs longer than usual, and never makes a migration fail.
import type { Blocker } from '../../catalog/rollout-policy.ts';

/** Who stands before this backend just now; empty when it does not wait. */
export type LookForBlockers = (pid: number) => Promise<Blocker[]>;
export type LockWait = { blocker: Blocker | undefined; waitedMs: number };

/** Runs `act`; what was seen meanwhile is added to `wait`, also when it fails. */
export async function watchLockWaits<T>(
  look: LookForBlockers | undefined,
  pid: number,
  wait: LockWait,
  lockTimeoutMs: number,
  act: () => Promise<T>,
): Promise<T> {
  if (look === undefined) return act();
  const everyMs = Math.max(20, Math.min(lockTimeoutMs / 4, everyMaxMs));
  let ended = false;
  let timer: NodeJS.Timeout | undefined;
  let seenAt: number | undefined;
  let running: Promise<void> = Promise.resolve();
  const once = async () => {
    const at = performance.now();
    const blockers = await look(pid).catch(() => []);
    // Waiting is what lies between two looks that saw it; the first one counts as one interval.
    if (blockers[0] !== undefined) {
      wait.blocker = blockers[0];
      wait.waitedMs += at - (seenAt ?? at - everyMs);
      seenAt = at;
    } else seenAt = undefined;
    if (!ended) schedule();
  };
  const schedule = () => {
    timer = setTimeout(() => {
      running = once();
    }, everyMs);
  };
  schedule();
  try {
    return await act();
  } finally {
    ended = true;
    clearTimeout(timer);
    await running;
  }
}

const everyMaxMs = 500;
