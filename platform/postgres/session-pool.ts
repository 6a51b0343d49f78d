// Owns leases of sessions, limited per key and in all. One pool serves the catalog (one key) or a thousand tenants.
// What a lease promises stands here; how sessions are kept stands in leased-sessions.ts, who waits in waiting-line.ts.
import { LeasedSessions } from './leased-sessions.ts';
import type { LeaseOptions, PoolDemand, PoolStats, SessionPoolOptions } from './pool-types.ts';
import type { IsolationLevel, Session } from './session.ts';
import type { Lease } from './session-lease.ts';

export type { LeaseOptions, PoolDemand, PoolEvent, PoolStats, SessionPoolOptions } from './pool-types.ts';

export type TransactionOptions = LeaseOptions & { isolation?: IsolationLevel; readOnly?: boolean };

export interface SessionPool {
  /** @throws Fault pool_timeout, pool_closed; the signal's reason; ConnectionLostError when a session cannot be opened */
  lease(key: string, options?: LeaseOptions): Promise<Lease>;
  use<T>(key: string, fn: (session: Session) => Promise<T>, options?: LeaseOptions): Promise<T>;
  /** The signal also ends a running BEGIN or COMMIT. A ConnectionLostError (query) from COMMIT: the outcome is unknown. */
  transaction<T>(key: string, fn: (session: Session) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Closes idle sessions of the key now and leased ones on release; resolves when none is left. Later leases open anew. */
  evict(key: string): Promise<void>;
  /** maxTotal has changed: idle sessions beyond it are closed, leased ones when they come back. */
  limitsChanged(): void;
  /** Closes the least recently used idle session of those; false where there is none. */
  closeIdle(which: (session: Session) => boolean): boolean;
  countIdle(which: (session: Session) => boolean): number;
  stats(): PoolStats & { byKey(key: string): PoolStats };
  demand(): PoolDemand;
  /** Fails all waiters, closes idle sessions now, leased ones on release, and after 5 s those still held. */
  close(): Promise<void>;
}

export function createSessionPool(options: SessionPoolOptions): SessionPool {
  const sessions = new LeasedSessions(options);
  const use = async <T>(key: string, fn: (session: Session) => Promise<T>, options?: LeaseOptions): Promise<T> => {
    const lease = await sessions.lease(key, options);
    try {
      return await fn(lease.session);
    } finally {
      lease.release();
    }
  };
  return {
    lease: (key, options) => sessions.lease(key, options),
    use,
    transaction: (key, fn, options = {}) => use(key, (session) => inTransaction(session, fn, options), options),
    evict: (key) => sessions.evict(key),
    limitsChanged: () => sessions.limitsChanged(),
    closeIdle: (which) => sessions.closeIdle(which),
    countIdle: (which) => sessions.countIdle(which),
    stats: () => sessions.stats(),
    demand: () => sessions.demand(),
    close: () => sessions.close(),
  };
}

async function inTransaction<T>(
  session: Session,
  fn: (session: Session) => Promise<T>,
  { isolation, readOnly, signal }: TransactionOptions,
): Promise<T> {
  await session.begin({ signal, ...(isolation && { isolation }), ...(readOnly && { readOnly }) });
  let result: T;
  try {
    result = await fn(session);
    signal?.throwIfAborted();
  } catch (error) {
    if (session.usable) await session.rollback().catch(() => session.close());
    throw error;
  }
  await session.commit({ signal });
  return result;
}
