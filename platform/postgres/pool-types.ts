// Owns the shapes that the parts of the pool share: what it is asked for, its sessions and waiters by key.
import type { Clock } from '../clock.ts';
import type { Session } from './session.ts';
import type { Lease } from './session-lease.ts';

export type PoolEvent =
  | { type: 'opened'; key: string; durationMs: number }
  | { type: 'open-failed'; key: string; error: unknown }
  | { type: 'closed'; key: string; reason: string }
  | { type: 'waited'; key: string; durationMs: number };

export type SessionPoolOptions = {
  open: (key: string) => Promise<Session>;
  /** Runs before the session is lent for the first time. Throwing closes it and fails the lease it was opened for. */
  onOpened?: (session: Session, key: string) => Promise<void>;
  /** As a function where it may change: say so by limitsChanged(). */
  maxTotal: number | (() => number);
  /** So many logins at once; a server that is asked for hundreds together answers all of them late. Default: no limit. */
  openingMax?: number;
  /** Somebody waits who could be served if maxTotal were higher. Told often. */
  onFull?: () => void;
  /** Asked at each look, so that a limit may differ between keys and change. */
  maxPerKey: number | ((key: string) => number);
  /**
   * A key that has a session gets a further one only for a request that has waited so long. Default 0. A short statement ends
   * sooner than a login, and in a full pool each login costs another key its session: with many keys and few slots they
   * would do nothing but log in (measured with 40 tenants and 60 slots: 200 requests a second instead of 3,000).
   */
  growAfterMs?: number;
  /** As a function, of the key. */
  idleMs: number | ((key: string) => number);
  /** While it is true, the last session of the pool is not closed for being idle or old. */
  keepLast?: () => boolean;
  /** Shortened by up to a tenth at random, so that sessions opened together are not replaced together. */
  maxLifetimeMs: number;
  /** True where borrowers send SQL that is not ours: each session is reset between two of them. */
  reset: boolean;
  clock?: Clock;
  onEvent?: (event: PoolEvent) => void;
};

export type LeaseOptions = {
  signal?: AbortSignal | undefined;
  /** From the call to the lease, opening included. Default 5 s. */
  waitMs?: number | undefined;
};

export type PoolStats = { open: number; idle: number; leased: number; waiting: number };

export type PoolDemand = {
  /** Open and neither on their way in nor out. */
  established: number;
  /** Sessions that those who wait could have if only the limit over all keys were higher. */
  wanted: number;
};

export type Entry = {
  readonly keyState: KeyState;
  readonly epoch: number;
  session: Session | undefined; // undefined while it opens
  state: 'opening' | 'leased' | 'cleaning' | 'idle' | 'closing';
  expiresAtMs: number;
  idleSinceMs: number;
};

export type Waiter = {
  readonly order: number;
  readonly sinceMs: number;
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: unknown) => void;
  settled: boolean;
  /** An idle session was closed for it, and one is enough. */
  roomPromised: boolean;
};

export type KeyState = {
  readonly key: string;
  readonly entries: Set<Entry>;
  readonly idle: Entry[]; // the most recently used is last, and lent first
  readonly waiters: Set<Waiter>; // in the order of arrival
  cleaning: number; // sessions that are being reset
  epoch: number; // raised by evict
  evictions: { epoch: number; resolve: () => void }[];
};
