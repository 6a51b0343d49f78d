// Owns LISTEN on a session of its own: connects again after every loss, with backoff and jitter, and tells when
// notifications may have been missed. NOTIFY is not kept for the absent, so onGap means: read the state itself.
import type { Session } from './session.ts';

export type ListenerLog = { info(fields: object, message: string): void; warn(fields: object, message: string): void };

export type ListenerOptions = {
  /** Opens a session whose SessionSettings.onNotify is the given function. */
  open: (onNotify: (channel: string, payload: string) => void) => Promise<Session>;
  channels: readonly string[];
  onNotify: (channel: string, payload: string) => void;
  /** After each connect, the first included. LISTEN is in force when it is called. */
  onGap: () => void;
  log: ListenerLog;
  /** How often the connection is asked for a sign of life. Default 10 s; a silent loss shows after this and 3 s more. */
  probeMs?: number;
};

export interface Listener {
  /** Begins to connect, and never gives up. */
  start(): void;
  close(): Promise<void>;
  readonly connected: boolean;
}

const probeDefaultMs = 10_000;
const probeTimeoutMs = 2_000;
/** A server restart takes 1 to 3 s: quick at first, and at most this while it stays away. */
const backoffMinMs = 100;
const backoffMaxMs = 5_000;

export function createListener(options: ListenerOptions): Listener {
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  let connected = false;

  return {
    start() {
      running ??= run();
    },
    async close() {
      stop.abort();
      await running;
    },
    get connected() {
      return connected;
    },
  };

  async function run(): Promise<void> {
    for (let attempt = 0; !stop.signal.aborted; attempt++) {
      try {
        await listenUntilLost(() => {
          attempt = 0;
        });
      } catch (error) {
        if (!stop.signal.aborted) options.log.warn({ err: error, attempt }, 'listener lost its connection');
      }
      connected = false;
      const ceilingMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(attempt, 10));
      await pause(ceilingMs * (0.5 + Math.random() / 2), stop.signal);
    }
  }

  async function listenUntilLost(onListening: () => void): Promise<void> {
    const session = await options.open(options.onNotify);
    try {
      stop.signal.throwIfAborted();
      await session.script(options.channels.map((channel) => `LISTEN "${channel.replaceAll('"', '""')}"`).join(';'), {
        timeoutMs: probeTimeoutMs,
      });
      connected = true;
      onListening();
      options.onGap();
      while (session.usable && !stop.signal.aborted) {
        const wakeUp = new AbortController();
        const lost = session.closed.then(() => wakeUp.abort());
        await pause(options.probeMs ?? probeDefaultMs, AbortSignal.any([stop.signal, wakeUp.signal]));
        if (session.usable && !stop.signal.aborted) await session.script('SELECT 1', { timeoutMs: probeTimeoutMs });
        else if (!stop.signal.aborted) await lost;
      }
      if (!stop.signal.aborted) throw await session.closed;
    } finally {
      connected = false;
      await session.close();
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
