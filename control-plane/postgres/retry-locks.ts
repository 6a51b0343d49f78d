// Owns trying again where a lock was not to be had: nothing is held between two tries, so whoever queued behind us passes (M01).
import { PostgresError } from '../../platform/postgres/errors.ts';
import type { Session } from '../../platform/postgres/session.ts';

/** `act` must have left nothing behind when it fails with one of these states, or go on from there. */
export async function retryLocks<T>(
  act: () => Promise<T>,
  session: Session,
  retriesMax: number,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (let retries = 0; ; retries += 1) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof PostgresError) || !lockStates.has(error.sqlstate)) throw error;
      if (retries >= retriesMax || !session.usable) throw error;
    }
    await pause(retries, signal);
  }
}

/** lock_not_available, deadlock_detected, serialization_failure: nothing has happened, and the next moment is another. */
const lockStates: ReadonlySet<string> = new Set(['55P03', '40P01', '40001']);

/** Full jitter: those that collided do not meet again. */
function pause(retries: number, signal: AbortSignal | undefined): Promise<void> {
  const topMs = Math.min(pauseMaxMs, pauseFirstMs * 2 ** retries);
  const ms = pauseMinMs + Math.random() * (topMs - pauseMinMs);
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

const pauseMinMs = 50;
const pauseFirstMs = 500;
const pauseMaxMs = 5_000;
