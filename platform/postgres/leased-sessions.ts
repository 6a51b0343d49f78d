// Owns the sessions of a pool: opened, lent, cleaned, lent again, closed. A session has one holder at a time; it is lent again only
// when it is known to be clean. The limits count sessions that are opening or closing, so the server never sees more.
import { type Clock, systemClock } from '../clock.ts';
import { poolClosed, poolTimeout } from './faults.ts';
import { IdleSessions } from './idle-sessions.ts';
import { mayGrow, newKeyState, statsOfKey } from './key-states.ts';
import type { Entry, KeyState, LeaseOptions, PoolDemand, PoolStats, SessionPoolOptions, Waiter } from './pool-types.ts';
import type { Session } from './session.ts';
import { cleaningOf, letGo, openEntry, whyNotKeep } from './session-entry.ts';
import { createLease, type Lease } from './session-lease.ts';
import { WaitingLine } from './waiting-line.ts';

const waitDefaultMs = 5_000;
const closeGraceMs = 5_000;

export class LeasedSessions {
  readonly #options: SessionPoolOptions;
  readonly #clock: Clock;
  readonly #maxTotal: () => number;
  readonly #maxPerKey: (key: string) => number;
  readonly #keys = new Map<string, KeyState>();
  readonly #line: WaitingLine;
  readonly #idle: IdleSessions;
  #total = 0;
  #leased = 0;
  #opening = 0;
  /** Sessions that are closing, and those of them that close to make room. */
  #closingNow = 0;
  #roomComing = 0;
  #closing: Promise<void> | undefined;
  #whenEmpty: (() => void) | undefined;
  constructor(options: SessionPoolOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { maxTotal, maxPerKey } = options;
    this.#maxTotal = typeof maxTotal === 'number' ? () => maxTotal : maxTotal;
    this.#maxPerKey = typeof maxPerKey === 'number' ? () => maxPerKey : maxPerKey;
    this.#idle = new IdleSessions({
      idleMs: options.idleMs,
      clock: this.#clock,
      mayClose: () => this.#total > 1 || options.keepLast?.() !== true,
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
    const keyState = this.#keys.get(key) ?? newKeyState(key);
    this.#keys.set(key, keyState);
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

  limitsChanged(): void {
    for (let over = this.#total - this.#closingNow - this.#maxTotal(); over > 0; over--) if (!this.closeIdle()) break;
    this.#serve();
  }

  closeIdle(which: (session: Session) => boolean = () => true): boolean {
    const entry = this.#idle.first(which);
    if (entry !== undefined) this.#retire(entry, 'made room');
    return entry !== undefined;
  }

  countIdle(which: (session: Session) => boolean): number {
    return this.#idle.count(which);
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

  demand(): PoolDemand {
    const wanted = this.#line.sum(({ key, waiters, entries }) =>
      Math.max(0, Math.min(waiters.size, this.#maxPerKey(key) - entries.size)),
    );
    return { established: this.#total - this.#opening - this.#closingNow, wanted };
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
      if (this.#total >= this.#maxTotal()) {
        // The slot is free when the server has let go of the session; whoever is oldest then gets it.
        waiter.roomPromised = true;
        this.closeIdle();
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
    const { openingMax = Number.POSITIVE_INFINITY, growAfterMs = 0 } = this.#options;
    const mayOpen =
      keyState.entries.size < this.#maxPerKey(keyState.key) &&
      keyState.waiters.size > keyState.cleaning &&
      this.#opening < openingMax &&
      mayGrow(keyState, waiter.sinceMs, growAfterMs, this.#total >= this.#maxTotal(), this.#clock.monotonicMs());
    if (!mayOpen || this.#total < this.#maxTotal()) return mayOpen;
    this.#options.onFull?.();
    // Somebody older may have taken the slot that was made for this one: with none on its way, it is made again.
    return this.#idle.size > 0 && (!waiter.roomPromised || this.#roomComing === 0);
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
    this.#opening++;
    try {
      await openEntry(entry, this.#options, this.#clock);
    } catch (error) {
      this.#opening--;
      this.#options.onEvent?.({ type: 'open-failed', key: keyState.key, error });
      waiter.reject(error);
      this.#forget(entry);
      return;
    }
    this.#opening--;
    void entry.session?.closed.then((error) => {
      if (entry.state === 'idle') this.#retire(entry, error.message);
    });
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
    if (this.#line.size > 0) this.#serve();
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
    const reason = discardReason ?? this.#whyNotKeep(entry);
    if (reason !== undefined) {
      this.#retire(entry, reason);
      return;
    }
    const work = cleaningOf(session, this.#options.reset);
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

  #whyNotKeep(entry: Entry): string | undefined {
    return whyNotKeep(entry, this.#closing !== undefined, this.#clock);
  }

  #toIdle(entry: Entry): void {
    const reason = this.#whyNotKeep(entry);
    if (reason !== undefined) {
      this.#retire(entry, reason);
      return;
    }
    entry.state = 'idle';
    this.#idle.add(entry);
    if (this.#total - this.#closingNow > this.#maxTotal()) this.#retire(entry, 'beyond the limit');
    if (this.#line.size > 0) this.#serve();
  }

  #takeIdle(keyState: KeyState): Entry | undefined {
    for (let entry = keyState.idle.at(-1); entry !== undefined; entry = keyState.idle.at(-1)) {
      const reason = this.#whyNotKeep(entry);
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
    this.#closingNow++;
    this.#options.onEvent?.({ type: 'closed', key: entry.keyState.key, reason });
    const room = reason === 'made room' ? 1 : 0;
    this.#roomComing += room;
    void letGo(entry.session as Session).then(() => {
      this.#roomComing -= room;
      this.#closingNow--;
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

  #timeout(keyState: KeyState, waitMs: number) {
    return poolTimeout(`no session for ${keyState.key} within ${waitMs} ms: ${JSON.stringify(statsOfKey(keyState))}`);
  }
}
