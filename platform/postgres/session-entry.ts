// Owns what happens to one session of a pool at the ends of its life: opened and checked, judged worth keeping, cleaned, let go.
import type { Clock } from '../clock.ts';
import type { Entry, SessionPoolOptions } from './pool-types.ts';
import type { Session } from './session.ts';

/** A server needs a moment to see that a connection was cut; its slot there is taken until then. */
const lingerAfterLossMs = 50;

/** Fills the entry. @throws what opening or onOpened throws; nothing is left open then */
export async function openEntry(entry: Entry, options: SessionPoolOptions, clock: Clock): Promise<void> {
  const { key } = entry.keyState;
  const startedMs = clock.monotonicMs();
  const session = await options.open(key);
  try {
    await options.onOpened?.(session, key);
  } catch (error) {
    await session.close();
    throw error;
  }
  entry.session = session;
  const openedMs = clock.monotonicMs();
  entry.expiresAtMs = openedMs + options.maxLifetimeMs * (1 - Math.random() / 10);
  options.onEvent?.({ type: 'opened', key, durationMs: openedMs - startedMs });
}

export function whyNotKeep(entry: Entry, poolIsClosing: boolean, clock: Clock): string | undefined {
  const session = entry.session as Session;
  if (!session.usable) return 'connection lost';
  if (session.busy) return 'released while a statement was running';
  if (session.tainted) return 'left in a state that cannot be reset';
  if (poolIsClosing) return 'pool closed';
  if (entry.epoch < entry.keyState.epoch) return 'evicted';
  return clock.monotonicMs() >= entry.expiresAtMs ? 'lifetime' : undefined;
}

/** undefined where nothing is to be done, so that the session can be lent again in the same tick. */
export function cleaningOf(session: Session, reset: boolean): Promise<void> | undefined {
  if (reset) return session.dirty ? session.reset() : undefined;
  return session.inTransaction || session.transactionStatus !== 'idle' ? session.rollback() : undefined;
}

/** Resolves when the server has let go of it, as far as one can tell. */
export async function letGo(session: Session): Promise<void> {
  const wasLost = !session.usable;
  await session.close();
  if (wasLost) await new Promise((resolve) => setTimeout(resolve, lingerAfterLossMs));
}
