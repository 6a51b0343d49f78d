// Owns who waits for a session: a queue per key, in the order of arrival, each with its time limit and its signal. Who is
// served when is the pool's business; the line only names the oldest of those who could be.
import type { Clock } from '../clock.ts';
import type { KeyState, Waiter } from './pool-types.ts';
import type { Lease } from './session-lease.ts';

export type WaitingLineDeps = {
  clock: Clock;
  /** What a waiter is told whose time is up. */
  timeoutFault: (keyState: KeyState, waitMs: number) => Error;
  onServed: (key: string, durationMs: number) => void;
  /** Something has changed that may let somebody be served. */
  serve: () => void;
  /** Nobody waits for the key any more. */
  onEmptied: (keyState: KeyState, waiter: Waiter) => void;
  /** How often a waiter whose key may grow only after a while asks again; 0 for never. */
  askAgainMs: number;
};

export class WaitingLine {
  readonly #deps: WaitingLineDeps;
  readonly #keys = new Set<KeyState>();
  #order = 0;
  size = 0;

  constructor(deps: WaitingLineDeps) {
    this.#deps = deps;
  }

  /** Waits in the queue of the key. @throws the signal's reason, the timeout fault, or what the pool rejects with */
  join(keyState: KeyState, signal: AbortSignal | undefined, waitMs: number): Promise<Lease> {
    const { clock, timeoutFault, onServed, serve, askAgainMs } = this.#deps;
    return new Promise((resolve, reject) => {
      const leave = () => {
        waiter.settled = true;
        clearTimeout(timer);
        clearInterval(askAgain);
        signal?.removeEventListener('abort', onAbort);
        this.leave(keyState, waiter);
      };
      const onAbort = () => waiter.reject(signal?.reason);
      const waiter: Waiter = {
        order: ++this.#order,
        sinceMs: clock.monotonicMs(),
        settled: false,
        roomPromised: false,
        resolve: (lease) => {
          leave();
          resolve(lease);
          onServed(keyState.key, clock.monotonicMs() - waiter.sinceMs);
        },
        reject: (error) => {
          if (waiter.settled) return;
          leave();
          reject(error);
        },
      };
      const timer = setTimeout(() => waiter.reject(timeoutFault(keyState, waitMs)), waitMs);
      const askAgain = askAgainMs > 0 && keyState.entries.size > 0 ? setInterval(serve, askAgainMs + 1) : undefined;
      signal?.addEventListener('abort', onAbort, { once: true });
      keyState.waiters.add(waiter);
      this.#keys.add(keyState);
      this.size++;
      serve();
    });
  }

  leave(keyState: KeyState, waiter: Waiter): void {
    if (!keyState.waiters.delete(waiter)) return;
    this.size--;
    if (keyState.waiters.size > 0) return;
    this.#keys.delete(keyState);
    this.#deps.onEmptied(keyState, waiter);
  }

  /** Back to the head of its queue. */
  rejoin(keyState: KeyState, waiter: Waiter): void {
    const behind = [...keyState.waiters];
    keyState.waiters.clear();
    for (const each of [waiter, ...behind]) keyState.waiters.add(each);
    this.#keys.add(keyState);
    this.size++;
    this.#deps.serve();
  }

  /** The oldest of the heads of the queues that can be served. */
  oldest(
    canBeServed: (keyState: KeyState, waiter: Waiter) => boolean,
  ): { keyState: KeyState; waiter: Waiter } | undefined {
    let oldest: { keyState: KeyState; waiter: Waiter } | undefined;
    for (const keyState of this.#keys) {
      const waiter = keyState.waiters.values().next().value;
      if (waiter === undefined || (oldest !== undefined && waiter.order > oldest.waiter.order)) continue;
      if (canBeServed(keyState, waiter)) oldest = { keyState, waiter };
    }
    return oldest;
  }

  /** Over the keys for which somebody waits. */
  sum(of: (keyState: KeyState) => number): number {
    let sum = 0;
    for (const keyState of this.#keys) sum += of(keyState);
    return sum;
  }

  rejectAll(error: () => Error): void {
    for (const keyState of this.#keys) {
      for (const waiter of [...keyState.waiters]) waiter.reject(error());
    }
  }
}
