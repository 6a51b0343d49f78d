// Owns the life of a process: things start in order, end in reverse, and the process ends in bounded time with an honest
// exit code: 0 after a clean stop, 1 after a failure or a forced stop, 2 for a configuration that cannot be used.
import { ConfigError } from './config.ts';
import { isFault } from './errors.ts';
import type { Log } from './log.ts';

export interface Lifecycle {
  /** Starts one thing now and remembers how to close it. Throws when a stop was asked for meanwhile. */
  add<T>(name: string, start: () => T | Promise<T>, close?: (thing: T) => unknown): Promise<T>;
  /** Runs the composition root. When it throws, what was started is closed, the problem is printed once, the process exits. */
  run(main: () => Promise<void>): Promise<void>;
  /** Closes everything in reverse and exits. Later calls wait for the first. */
  stop(reason: string, exitCode?: number): Promise<void>;
  /** Aborts when a stop begins: readiness turns off, long streams end. */
  readonly stopping: AbortSignal;
}

export type LifecycleDeps = {
  log: Log;
  /** For all closings together; then the process ends at once with code 1. */
  graceMs: number;
  /** Prints a failed start for the person at the terminal; standard error unless told. */
  print?: (text: string) => void;
};

export function createLifecycle({
  log,
  graceMs,
  print = (text) => process.stderr.write(`${text}\n`),
}: LifecycleDeps): Lifecycle {
  const started: { name: string; close: () => unknown }[] = [];
  const pending = new Set<Promise<unknown>>();
  const stopping = new AbortController();
  let stopped: Promise<void> | undefined;

  const closeAll = async (): Promise<boolean> => {
    let clean = true;
    for (let thing = started.pop(); thing !== undefined; thing = started.pop()) {
      try {
        await thing.close();
        log.debug({ thing: thing.name }, 'closed');
      } catch (err) {
        clean = false;
        log.error({ err, thing: thing.name }, 'could not be closed');
      }
    }
    return clean;
  };

  const stopOnce = async (reason: string, exitCode: number): Promise<void> => {
    log.info({ reason }, 'stopping');
    const force = setTimeout(() => {
      log.error({ graceMs, waitingFor: started.map((thing) => thing.name) }, 'did not stop in time');
      process.exit(1);
    }, graceMs);
    stopping.abort(new Error(reason));
    await Promise.allSettled(pending); // what is half started can only be closed when it stands
    const clean = await closeAll();
    clearTimeout(force);
    log.info({ reason }, 'stopped');
    process.exit(clean ? exitCode : 1);
  };

  const stop = (reason: string, exitCode = 0): Promise<void> => {
    stopped ??= stopOnce(reason, exitCode);
    return stopped;
  };

  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopped === undefined) return void stop(signal);
    log.error({ signal }, 'second signal: ending at once');
    process.exit(1);
  };
  const onUncaught = (err: unknown): void => {
    log.fatal({ err }, 'uncaught error');
    void stop('uncaught error', 1);
  };

  return {
    stopping: stopping.signal,
    stop,
    async add(name, start, close) {
      stopping.signal.throwIfAborted();
      const starting = (async () => await start())();
      pending.add(starting);
      try {
        const thing = await starting;
        started.push({ name, close: () => close?.(thing) });
        log.debug({ thing: name }, 'started');
        stopping.signal.throwIfAborted();
        return thing;
      } finally {
        pending.delete(starting);
      }
    },
    async run(main) {
      process
        .on('SIGTERM', onSignal)
        .on('SIGINT', onSignal)
        // Only with a parent that opened a channel (scripts/dev.ts): however it ends, this process does not outlive it.
        .once('disconnect', () => void stop('the parent process is gone'))
        .on('uncaughtException', onUncaught)
        .on('unhandledRejection', onUncaught);
      try {
        await main();
      } catch (err) {
        if (stopping.signal.aborted) return await stop('failed start');
        log.debug({ err }, 'start failed');
        print(problemText(err));
        await stop('failed start', err instanceof ConfigError ? 2 : 1);
      }
    },
  };
}

/** A known problem reads as a sentence; an unknown one needs its stack. */
function problemText(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (isFault(error))
    return `${error.message} (${error.code})${error.internal === undefined ? '' : `\n  ${error.internal}`}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
