// Owns the retry inside one act on shared catalogs: collisions that pass by themselves in milliseconds (P06, P07).
// Bounded; whoever runs the act as an operation step tries again later anyway.
import { setTimeout as sleep } from 'node:timers/promises';
import { PostgresError } from '../../platform/postgres/errors.ts';

const attemptsMax = 8;
/** PostgreSQL itself waits 5 s before each 55006. */
const patienceMs = 20_000;
/** Doubles up to the longest, plus as much again at random: two that collided do not meet a second time. */
const firstPauseMs = 10;
const longestPauseMs = 500;

export async function retryOnBusyCatalog<T>(act: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await act();
    } catch (error) {
      if (attempt === attemptsMax || performance.now() > deadline || !isBusyCatalog(error)) throw error;
      const pauseMs = Math.min(firstPauseMs * 2 ** (attempt - 1), longestPauseMs);
      await sleep(pauseMs * (1 + Math.random()));
    }
  }
}

/** Nothing of the statement took effect, and the cause is another statement that is about to end. */
export function isBusyCatalog(error: unknown): boolean {
  if (!(error instanceof PostgresError)) return false;
  // 55006: somebody is connected to the database or template (PostgreSQL itself waits 5 s before it says so).
  if (error.sqlstate === '55006' || error.sqlstate === '40P01') return true;
  return error.sqlstate === 'XX000' && /tuple concurrently (updated|deleted)/.test(error.message);
}
