// Owns the state of one key of the pool: how it begins, what it counts and when it may have one more session.
import type { KeyState, PoolStats } from './pool-types.ts';

export function newKeyState(key: string): KeyState {
  return { key, entries: new Set(), idle: [], waiters: new Set(), cleaning: 0, epoch: 0, evictions: [] };
}

export function statsOfKey(keyState: KeyState | undefined): PoolStats {
  if (keyState === undefined) return { open: 0, idle: 0, leased: 0, waiting: 0 };
  const leased = [...keyState.entries].filter((entry) => entry.state === 'leased').length;
  return { open: keyState.entries.size, idle: keyState.idle.length, leased, waiting: keyState.waiters.size };
}

/** So many times longer a request waits for its own key's session before it takes one from another key. */
const growFullPatience = 10;

/** @param poolIsFull a further session would be one of another key, which then has to log in again */
export function mayGrow(
  keyState: KeyState,
  waitingSinceMs: number,
  growAfterMs: number,
  poolIsFull: boolean,
  nowMs: number,
): boolean {
  if (growAfterMs === 0 || keyState.entries.size === 0) return true;
  return nowMs - waitingSinceMs >= growAfterMs * (poolIsFull ? growFullPatience : 1);
}
