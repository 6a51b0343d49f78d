// Owns the sessions of a pool: opened, lent, cleaned, lent again, closed. A session has one holder at a time; it is lent again only
// when it is known to be clean. The limits count sessions that are opening or closing, so the server never sees more.
import { type Clock, systemClock } from '../clock.ts';
import { poolClosed, poolTimeout } from './faults.ts';
import { IdleSessions } from './idle-sessions.ts';
import { newKeyState, statsOfKey } from './key-states.ts';
import type { Entry, KeyState, LeaseOptions, PoolStats, SessionPoolOptions, Waiter } from './pool-types.ts';
import type { Session } from './session.ts';
import { createLease, type Lease } from './session-lease.ts';
import { WaitingLine } from './waiting-line.ts';

const waitDefaultMs = 5_000;
const closeGraceMs = 5_000;
/** So many times longer a request waits for its own key's session before it takes one from another key. */
const growFullPatience = 10;

export class LeasedSessions {
  readonly #options: SessionPoolOptions;
  readonly #clock: Clock;
  readonly #keys = new Map<string, KeyState>();
  readonly #line: WaitingLine;
  readonly #idle: IdleSessions;
  #total = 0;
  #leased = 0;
  /** Sessions that are closing to make room. */
  #roomComing = 0;
  #closing: Promise<void> | undefined;
  #whenEmpty: (() => void) | undefined;
  constructor(options: SessionPoolOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#idle = new IdleSessions({
      idleMs: options.idleMs,
      clock: this.#clock,
      retire: (entry, reason) => this.#retire(entry, reason),
    });
    this.#line = new WaitingLine({
      clock: this.#clock,
      timeoutFault: (keyState, waitMs) => this.#timeout(keyState, waitMs),
      onServed: (key, durationMs) => options.onEvent?.({ type: 'waited', key, durationMs }),
      serve: () => this.#serve(),
      onEmptied: (keyState, waiter) => {
        if (keyState.entries.size === 0 && waiter.settled) this.#keys.delete(keyState.key);
      },
      askAgainMs: options.growAfterMs ?? 0,
    });
  }

  async lease(key: string, { signal, waitMs = waitDefaultMs }: LeaseOptions = {}): Promise<Lease> {
    if (this.#closing !== undefined) throw poolClosed();
    signal?.throwIfAborted();
    const keyState = this.#keyState(key);
    const ready = keyState.waiters.size === 0 ? this.#takeIdle(keyState) : undefined;
    return ready === undefined ? this.#line.join(keyState, signal, waitMs) : this.#lend(ready);
  }

  async evict(key: string): Promise<void> {
    const keyState = this.#keys.get(key);
    if (keyState === undefined) return;
    const epoch = ++keyState.epoch;
    for (const entry of [...keyState.idle]) this.#retire(entry, 'evicted');
    if (keyState.entries.size === 0) return;
    await new Promise<void>((resolve) => keyState.evictions.push({ epoch, resolve }));
  }

  stats(): PoolStats & { byKey(key: string): PoolStats } {
    return {
      open: this.#total,
      idle: this.#idle.size,
      leased: this.#leased,
      waiting: this.#line.size,
      byKey: (key) => statsOfKey(this.#keys.get(key)),
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    this.#idle.stop();
    this.#line.rejectAll(poolClosed);
    for (const entry of this.#idle.all()) this.#retire(entry, 'pool closed');
    if (this.#total === 0) return;
    const timer = setTimeout(() => {
      for (const keyState of this.#keys.values()) {
        for (const entry of keyState.entries) if (entry.session) this.#retire(entry, 'held after the pool was closed');
      }
    }, closeGraceMs);
    const empty = Promise.withResolvers<void>();
    this.#whenEmpty = empty.resolve;
    await empty.promise;
    clearTimeout(timer);
  }

  /** Gives what is free to those who wait, oldest first, as far as it goes. */
  #serve(): void {
    for (;;) {
      const next = this.#line.oldest((keyState, waiter) => this.#canServe(keyState, waiter));
      if (next === undefined) return;
      const { keyState, waiter } = next;
      const ready = this.#takeIdle(keyState);
      if (ready !== undefined) {
        waiter.resolve(this.#lend(ready));
        continue;
      }
      if (this.#total >= this.#options.maxTotal) {
        // The slot is free when the server has let go of the session; whoever is oldest then gets it.
        waiter.roomPromised = true;
        const leastRecentlyUsed = this.#idle.leastRecentlyUsed();
        if (leastRecentlyUsed !== undefined) this.#retire(leastRecentlyUsed, 'made room');
        continue;
      }
      this.#line.leave(keyState, waiter);
      void this.#openFor(keyState, waiter);
    }
  }

  /** Whether an idle session, a free slot or an evictable session could serve the waiter. */
  #canServe(keyState: KeyState, waiter: Waiter): boolean {
    if (keyState.idle.length > 0) return true;
    // A reset takes 0.2 ms, a connect 6 ms: who can have a session that is being reset waits for it.
    const { maxPerKey, maxTotal } = this.#options;
    const mayOpen =
      keyState.entries.size < (typeof maxPerKey === 'number' ? maxPerKey : maxPerKey(keyState.key)) &&
      keyState.waiters.size > keyState.cleaning &&
      this.#mayGrow(keyState, waiter);
    // Somebody older may have taken the slot that was made for this one: with none on its way, it is made again.
    const mayEvict = this.#idle.size > 0 && (!waiter.roomPromised || this.#roomComing === 0);
    return mayOpen && (this.#total < maxTotal || mayEvict);
  }

  #mayGrow(keyState: KeyState, waiter: Waiter): boolean {
    const growAfterMs = this.#options.growAfterMs ?? 0;
    if (growAfterMs === 0 || keyState.entries.size === 0) return true;
    // In a full pool it would take the session of another key, which then has to log in again.
    const patience = this.#total < this.#options.maxTotal ? 1 : growFullPatience;
    return this.#clock.monotonicMs() - waiter.sinceMs >= growAfterMs * patience;
  }

  async #openFor(keyState: KeyState, waiter: Waiter): Promise<void> {
    const entry: Entry = {
      keyState,
      epoch: keyState.epoch,
      session: undefined,
      state: 'opening',
      expiresAtMs: Number.POSITIVE_INFINITY,
      idleSinceMs: 0,
    };
    keyState.entries.add(entry);
    this.#total++;
    try {
      await this.#open(entry);
    } catch (error) {
      this.#options.onEvent?.({ type: 'open-failed', key: keyState.key, error });
      waiter.reject(error);
      this.#forget(entry);
      return;
    }
    if (this.#closing !== undefined) {
      waiter.reject(poolClosed());
      this.#retire(entry, 'pool closed');
    } else if (entry.epoch < keyState.epoch) {
      this.#retire(entry, 'evicted');
      if (!waiter.settled) this.#line.rejoin(keyState, waiter);
    } else if (waiter.settled) {
      this.#toIdle(entry);
    } else {
      waiter.resolve(this.#lend(entry));
    }
  }

  async #open(entry: Entry): Promise<void> {
    const { key } = entry.keyState;
    const startedMs = this.#clock.monotonicMs();
    const session = await this.#options.open(key);
    try {
      await this.#options.onOpened?.(session, key);
    } catch (error) {
      await session.close();
      throw error;
    }
    entry.session = session;
    const openedMs = this.#clock.monotonicMs();
    entry.expiresAtMs = openedMs + this.#options.maxLifetimeMs * (1 - Math.random() / 10);
    void session.closed.then((error) => {
      if (entry.state === 'idle') this.#retire(entry, error.message);
    });
    this.#options.onEvent?.({ type: 'opened', key, durationMs: openedMs - startedMs });
  }

  #lend(entry: Entry): Lease {
    entry.state = 'leased';
    this.#leased++;
    return createLease(entry.session as Session, (reason) => this.#takeBack(entry, reason));
  }

  #takeBack(entry: Entry, discardReason: string | undefined): void {
    if (entry.state !== 'leased') return; // the pool was closed over it
    const session = entry.session as Session;
    this.#leased--;
    entry.state = 'cleaning';
    const reason = discardReason ?? this.#whyNotKeep(entry, session);
    if (reason !== undefined) {
      this.#retire(entry, reason);
      return;
    }
    const work = this.#cleaningOf(session);
    if (work === undefined) {
      this.#toIdle(entry);
      return;
    }
    entry.keyState.cleaning++;
    work
      .finally(() => entry.keyState.cleaning--)
      .then(
        () => this.#toIdle(entry),
        () => this.#retire(entry, 'could not be reset'),
      );
  }

  #whyNotKeep(entry: Entry, session: Session): string | undefined {
    if (!session.usable) return 'connection lost';
    if (session.busy) return 'released while a statement was running';
    if (session.tainted) return 'left in a state that cannot be reset';
    if (this.#closing !== undefined) return 'pool closed';
    if (entry.epoch < entry.keyState.epoch) return 'evicted';
    return this.#clock.monotonicMs() >= entry.expiresAtMs ? 'lifetime' : undefined;
  }

  /** undefined where nothing is to be done, so that the session can be lent again in the same tick. */
  #cleaningOf(session: Session): Promise<void> | undefined {
    if (this.#options.reset) return session.dirty ? session.reset() : undefined;
    return session.inTransaction || session.transactionStatus !== 'idle' ? session.rollback() : undefined;
  }

  #toIdle(entry: Entry): void {
    const reason = this.#whyNotKeep(entry, entry.session as Session);
    if (reason !== undefined) {
      this.#retire(entry, reason);
      return;
    }
    entry.state = 'idle';
    this.#idle.add(entry);
    if (this.#line.size > 0) this.#serve();
  }

  #takeIdle(keyState: KeyState): Entry | undefined {
    for (let entry = keyState.idle.at(-1); entry !== undefined; entry = keyState.idle.at(-1)) {
      const reason = this.#whyNotKeep(entry, entry.session as Session);
      if (reason === undefined) {
        this.#idle.remove(entry);
        return entry;
      }
      this.#retire(entry, reason);
    }
    return undefined;
  }

  /** Closes the session; its slot is free again when the server has let go of it. */
  #retire(entry: Entry, reason: string): void {
    if (entry.state === 'closing') return;
    if (entry.state === 'leased') this.#leased--;
    this.#idle.remove(entry);
    entry.state = 'closing';
    this.#options.onEvent?.({ type: 'closed', key: entry.keyState.key, reason });
    const room = reason === 'made room' ? 1 : 0;
    this.#roomComing += room;
    void (entry.session as Session).close().then(() => {
      this.#roomComing -= room;
      this.#forget(entry);
    });
  }

  #forget(entry: Entry): void {
    const { keyState } = entry;
    keyState.entries.delete(entry);
    this.#total--;
    const oldestEpoch = Math.min(...[...keyState.entries].map((left) => left.epoch));
    keyState.evictions = keyState.evictions.filter((eviction) => {
      if (oldestEpoch < eviction.epoch) return true;
      eviction.resolve();
      return false;
    });
    if (this.#line.size > 0) this.#serve();
    if (keyState.entries.size === 0 && keyState.waiters.size === 0) this.#keys.delete(keyState.key);
    if (this.#total === 0) this.#whenEmpty?.();
  }

  #keyState(key: string): KeyState {
    const keyState = this.#keys.get(key) ?? newKeyState(key);
    this.#keys.set(key, keyState);
    return keyState;
  }

  #timeout(keyState: KeyState, waitMs: number) {
    return poolTimeout(`no session for ${keyState.key} within ${waitMs} ms: ${JSON.stringify(statsOfKey(keyState))}`);
  }
}
