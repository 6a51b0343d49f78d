// Owns hearing of changes of operations and rollouts: one LISTEN per process, shared by all who wait or follow.
// A notification is only a hint to read again; whoever waits also reads every two seconds, so a lost one costs time, never truth.
import type { OperationId, RolloutId } from '../../catalog/ids.ts';

export type Followed = OperationId | RolloutId;

export interface Changes {
  /** `onChange` is called at each change, and when changes may have been missed. @returns the end of the subscription */
  subscribe(id: Followed, onChange: (state?: string) => void): () => void;
  /** For the listener: the payload of a notification, '<id>:<state>' and whatever follows. */
  notify(payload: string): void;
  /** For the listener: something may have been missed. */
  gap(): void;
}

export function createChanges(): Changes {
  const subscribers = new Map<string, Set<(state?: string) => void>>();
  return {
    subscribe(id, onChange) {
      const own = subscribers.get(id) ?? new Set();
      subscribers.set(id, own.add(onChange));
      return () => {
        own.delete(onChange);
        if (own.size === 0 && subscribers.get(id) === own) subscribers.delete(id);
      };
    },
    notify(payload) {
      const [id = '', state] = payload.split(':');
      for (const onChange of subscribers.get(id) ?? []) onChange(state);
    },
    gap() {
      for (const own of subscribers.values()) for (const onChange of own) onChange();
    },
  };
}

const rereadMs = 2_000;

/**
 * Each change of one of them, as a thing to wait for. Subscribe first, read afterwards, and nothing falls between.
 * @param matters tells from the announced state whether a change is worth waking for
 */
export function followChanges(
  changes: Changes,
  id: Followed,
  matters: (state: string) => boolean = () => true,
): { next(ms: number, signal: AbortSignal): Promise<void>; end(): void } {
  let changed = false;
  let wake: () => void = () => {};
  const end = changes.subscribe(id, (state) => {
    if (state !== undefined && !matters(state)) return;
    changed = true;
    wake();
  });
  return {
    /** Resolves at the next change since the last call, after `ms` or two seconds, or when the signal aborts. */
    async next(ms, signal) {
      if (!changed && !signal.aborted) {
        const woken = Promise.withResolvers<void>();
        const timer = setTimeout(woken.resolve, Math.min(ms, rereadMs));
        wake = woken.resolve;
        signal.addEventListener('abort', wake, { once: true });
        await woken.promise;
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
      }
      changed = false;
    },
    end,
  };
}
