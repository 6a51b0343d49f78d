// Owns waiting in tests: for a condition, never for luck.
import { setTimeout as sleep } from 'node:timers/promises';

export type WaitOptions = {
  /** What is waited for, in words; the failure says it. */
  what: string;
  timeoutMs?: number;
  intervalMs?: number;
};

/** Resolves with the first value that is neither false, null nor undefined. An error of the condition counts as "not yet". */
export async function waitUntil<T>(condition: () => T | Promise<T>, options: WaitOptions): Promise<NonNullable<T>> {
  const { what, timeoutMs = 10_000, intervalMs = 20 } = options;
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== false && value !== null && value !== undefined) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= deadline) throw new Error(`waited ${timeoutMs} ms for ${what}; last seen: ${String(last)}`);
    await sleep(intervalMs);
  }
}
