// Owns the nudge that makes a worker look at an operation now instead of at the next reconcile. A job holds an operation id
// and nothing else: what is lost here is found in the catalog, and what arrives twice finds the lease taken.
import { SchemaMigrationRequiredError, SchemaVersionMismatchError } from 'bullmq';
import type { OperationId } from '../../catalog/ids.ts';
import type { OperationLane } from '../../catalog/schema.ts';
import type { Log } from '../../platform/log.ts';
import { createFleetQueue, type FleetQueue } from './fleet-queue.ts';
import { createHandOver, type HandOver, nudgeAfterHandOverMs } from './hand-over.ts';
import { openPostgresBackend } from './postgres-backend.ts';
import type { AddedJob, QueueBackend, Worker } from './queue-backend.ts';
import { openRedisBackend } from './redis-backend.ts';

export type QueueEvent =
  | { type: 'woken' | 'wake-failed' | 'worker-error'; lane: OperationLane }
  | { type: 'handled' | 'handle-failed'; lane: OperationLane; durationMs: number };

export type QueueDeps = {
  /** postgres://… (a database of its own) or redis://… */
  url: string;
  log: Log;
  /** Prefix of the keys in a Redis that others use too. */
  prefix?: string;
  /**
   * The queue was migrated away under this process. Must end the process before it returns: a worker of BullMQ 6.7 then
   * emits this error some 600,000 times a second from a microtask loop, and no timer ever runs again.
   */
  onFatal: (error: Error) => void;
  /** For metrics. */
  observe?: (event: QueueEvent) => void;
};

export type OperationQueue = {
  /** The shares of rollouts: a queue and workers of their own, so that nobody who waits for an operation waits for them. */
  readonly fleet: FleetQueue;
  /** Never throws and never takes longer than a second: the caller's answer does not depend on the queue. */
  wake(operationId: OperationId, lane: OperationLane, delayMs?: number): Promise<void>;
  /** As wake, for a caller that comes back: at most one such nudge is taken in 15 s for each operation. */
  wakeAgain(operationId: OperationId, lane: OperationLane): Promise<void>;
  /**
   * @param handle should not throw; what it throws is logged and the job is over.
   * @param options handOver: what this process wakes is handled here at once while there is room (hand-over.ts).
   */
  work(
    lane: OperationLane,
    concurrency: number,
    handle: (operationId: OperationId) => Promise<void>,
    options?: { handOver: boolean },
  ): void;
  /** Nudges that wait, are delayed or are being handled. */
  pending(lane: OperationLane): Promise<number>;
  /** @throws Fault queue_unavailable | queue_unsafe */
  health(): Promise<void>;
  /** Takes no new job, waits for those in hand. */
  close(): Promise<void>;
};

const queueNames: Readonly<Record<OperationLane, string>> = {
  foreground: 'operations-foreground',
  background: 'operations-background',
};

/** A nudge whose worker died keeps its id until BullMQ notices; after this another one is taken. */
const againEveryMs = 15_000;

/** An answer to a client waits for a nudge at most this long. */
const wakeMaxMs = 1_000;

/** @throws Fault queue_unavailable | queue_unsafe | queue_outdated */
export async function createQueue(deps: QueueDeps): Promise<OperationQueue> {
  const { url, log, observe = () => {} } = deps;
  const backend = await openBackend(deps);
  const queues = {
    foreground: backend.openQueue(queueNames.foreground),
    background: backend.openQueue(queueNames.background),
  };
  const workers: Worker[] = [];
  const handOvers = new Map<OperationLane, HandOver>();
  const report = createErrorReport(deps);
  for (const queue of Object.values(queues)) queue.on('error', report);

  const add = async (
    operationId: OperationId,
    lane: OperationLane,
    options: { delay?: number; jobId?: string },
  ): Promise<AddedJob | undefined> => {
    try {
      // Nothing is kept of a finished job: the catalog says more, and a kept id would swallow later nudges.
      const added = queues[lane].add(
        'run',
        { operationId },
        { ...options, removeOnComplete: true, removeOnFail: true },
      );
      const job = await withinMs(added, wakeMaxMs);
      observe({ type: 'woken', lane });
      return job;
    } catch (error) {
      observe({ type: 'wake-failed', lane });
      log.warn({ err: error, operation_id: operationId }, 'nudge lost; stuck-operations will find the operation');
      return undefined;
    }
  };
  const wake = async (id: OperationId, lane: OperationLane, delayMs = 0): Promise<void> => {
    const handled = delayMs > 0 ? undefined : handOvers.get(lane)?.take(id);
    if (handled === undefined) {
      await add(id, lane, delayMs > 0 ? { delay: Math.ceil(delayMs) } : {});
      return;
    }
    const nudge = await add(id, lane, { delay: nudgeAfterHandOverMs });
    void handled.then(async (ok) => {
      // A nudge that stays finds the operation finished, or does what a nudge is for.
      if (ok) await nudge?.remove().catch((err: unknown) => log.debug({ err }, 'a nudge could not be taken back'));
    });
  };

  const fleet = createFleetQueue(backend, { log, report, withinMs: (work) => withinMs(work, wakeMaxMs) });

  return {
    fleet,
    wake,
    wakeAgain: async (id, lane) =>
      void (await add(id, lane, { jobId: `again-${id}-${Math.floor(Date.now() / againEveryMs)}` })),
    work(lane, concurrency, handle, { handOver } = { handOver: false }) {
      const hand = createHandOver(concurrency, async (operationId) => {
        const startedAtMs = performance.now();
        try {
          await handle(operationId);
          observe({ type: 'handled', lane, durationMs: performance.now() - startedAtMs });
          return true;
        } catch (error) {
          observe({ type: 'handle-failed', lane, durationMs: performance.now() - startedAtMs });
          log.warn({ err: error, operation_id: operationId }, 'operation could not be run now');
          return false;
        }
      });
      if (handOver) handOvers.set(lane, hand);
      const worker = backend.openWorker(queueNames[lane], concurrency, async ({ data }) => {
        if ('operationId' in data) await hand.run(data.operationId as OperationId);
      });
      worker.on('error', (error) => {
        observe({ type: 'worker-error', lane });
        report(error);
      });
      workers.push(worker);
    },
    async pending(lane) {
      const counts = await queues[lane].getJobCounts('waiting', 'active', 'delayed', 'prioritized');
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    },
    health: () => backend.check(),
    async close() {
      await Promise.all([fleet, ...handOvers.values(), ...workers].map((it) => it.close()));
      await Promise.all(Object.values(queues).map((queue) => queue.close()));
      await backend.close();
      log.debug({ queue: url.split(':')[0] }, 'queue closed');
    },
  };
}

function openBackend(deps: QueueDeps): Promise<QueueBackend> {
  return /^rediss?:/.test(deps.url) ? openRedisBackend(deps) : openPostgresBackend(deps);
}

/** One line per cause and 10 s, with the count of those left out: a server that is away makes hundreds a second. */
const reportEveryMs = 10_000;

function createErrorReport({ log, onFatal }: QueueDeps): (error: Error) => void {
  const seen = new Map<string, { atMs: number; omitted: number }>();
  return (error) => {
    if (error instanceof SchemaMigrationRequiredError || error instanceof SchemaVersionMismatchError) {
      onFatal(error);
      return;
    }
    const last = seen.get(error.message);
    const nowMs = performance.now();
    if (last !== undefined && nowMs - last.atMs < reportEveryMs) {
      last.omitted++;
      return;
    }
    if (seen.size > 100) seen.clear(); // messages with a number in them must not fill the memory
    seen.set(error.message, { atMs: nowMs, omitted: 0 });
    log.warn({ err: error, omitted: last?.omitted ?? 0 }, 'queue error; it is tried again');
  };
}

async function withinMs<T>(work: Promise<T>, maxMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the queue did not answer within ${maxMs} ms`)), maxMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {}); // a late failure has been told already
  }
}
