// Owns which sessions are idle, over all keys, in the order of their release, and ends those that have been idle or open too long.
import type { Clock } from '../clock.ts';
import type { Entry } from './pool-types.ts';
import type { Session } from './session.ts';

export type IdleSessionsDeps = {
  idleMs: number | ((key: string) => number);
  clock: Clock;
  /** Asked for each session that its time would end. */
  mayClose: () => boolean;
  retire: (entry: Entry, reason: string) => void;
};

/** Where the time differs from key to key; the shortest one is a second. */
const sweepAnyMs = 250;

export class IdleSessions {
  readonly #deps: IdleSessionsDeps;
  readonly #entries = new Set<Entry>(); // the first is the least recently used
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** A quarter late at most, and never busier than ten looks a second. */
  readonly #sweepMs: number;

  constructor(deps: IdleSessionsDeps) {
    this.#deps = deps;
    const { idleMs } = deps;
    this.#sweepMs = typeof idleMs === 'number' ? Math.max(100, Math.min(idleMs, 60_000) / 4) : sweepAnyMs;
  }

  get size(): number {
    return this.#entries.size;
  }

  add(entry: Entry): void {
    entry.idleSinceMs = this.#deps.clock.monotonicMs();
    entry.keyState.idle.push(entry);
    this.#entries.add(entry);
    this.#scheduleSweep();
  }

  /** Harmless for one that is not idle. */
  remove(entry: Entry): void {
    if (!this.#entries.delete(entry)) return;
    const { idle } = entry.keyState;
    idle.splice(idle.lastIndexOf(entry), 1);
  }

  /** The least recently used one of those. */
  first(which: (session: Session) => boolean): Entry | undefined {
    for (const entry of this.#entries) if (which(entry.session as Session)) return entry;
    return undefined;
  }

  count(which: (session: Session) => boolean): number {
    return this.all().filter((entry) => which(entry.session as Session)).length;
  }

  all(): Entry[] {
    return [...this.#entries];
  }

  /** No more sweeps. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #idleMsOf(entry: Entry): number {
    const { idleMs } = this.#deps;
    return typeof idleMs === 'number' ? idleMs : idleMs(entry.keyState.key);
  }

  #scheduleSweep(): void {
    if (this.#timer !== undefined || this.#stopped) return;
    this.#timer = setTimeout(() => this.#sweep(), this.#sweepMs);
    this.#timer.unref();
  }

  #sweep(): void {
    this.#timer = undefined;
    const nowMs = this.#deps.clock.monotonicMs();
    for (const entry of this.all()) {
      if (!this.#deps.mayClose()) break;
      if (nowMs - entry.idleSinceMs >= this.#idleMsOf(entry)) this.#deps.retire(entry, 'idle');
      else if (nowMs >= entry.expiresAtMs) this.#deps.retire(entry, 'lifetime');
    }
    if (this.#entries.size > 0) this.#scheduleSweep();
  }
}
