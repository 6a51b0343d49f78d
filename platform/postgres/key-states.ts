// Owns the state of one key of the pool: how it begins and what it counts.
import type { KeyState, PoolStats } from './pool-types.ts';

export function newKeyState(key: string): KeyState {
  return { key, entries: new Set(), idle: [], waiters: new Set(), cleaning: 0, epoch: 0, evictions: [] };
}

export function statsOfKey(keyState: KeyState | undefined): PoolStats {
  if (keyState === undefined) return { open: 0, idle: 0, leased: 0, waiting: 0 };
  const leased = [...keyState.entries].filter((entry) => entry.state === 'leased').length;
  return { open: keyState.entries.size, idle: keyState.idle.length, leased, waiting: keyState.waiters.size };
}
