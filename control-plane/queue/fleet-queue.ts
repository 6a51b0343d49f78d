// Owns the queue of the fleet: a job is one share of a rollout's work, named so that each share waits or runs once. What is
// lost here is found by the reconciler `rollouts`, and a job that comes twice finds nothing to take.
import type { RolloutId } from '../../catalog/ids.ts';
import type { Log } from '../../platform/log.ts';
import type { AddedJob, QueueBackend, Worker } from './queue-backend.ts';

export type FleetQueue = {
  /** Never throws. */
  wake(rolloutId: RolloutId, shares: number): Promise<void>;
  /**
   * @param handle takes nothing new once the signal is aborted, and ends when what it has in hand is done; true: it made room
   * for others and wants to go on behind them
   */
  work(concurrency: number, handle: (rolloutId: RolloutId, stop: AbortSignal) => Promise<boolean>): void;
  /** Stops taking and waits for what is in hand. */
  close(): Promise<void>;
};

type FleetQueueDeps = {
  log: Log;
  report: (error: Error) => void;
  withinMs: (added: Promise<AddedJob>) => Promise<AddedJob>;
};

const queueName = 'fleet';

export function createFleetQueue(backend: QueueBackend, { log, report, withinMs }: FleetQueueDeps): FleetQueue {
  const queue = backend.openQueue(queueName);
  queue.on('error', report);
  const stop = new AbortController();
  const workers: Worker[] = [];
  /** @param again not under the name of the job that is just ending: BullMQ would take it for the same one */
  const add = async (rolloutId: RolloutId, share: number, again: boolean): Promise<boolean> => {
    try {
      const jobId = `${rolloutId}-${share}${again ? '-again' : ''}`;
      const options = { jobId, removeOnComplete: true, removeOnFail: true };
      await withinMs(queue.add('run', { rolloutId, share, again }, options));
      return true;
    } catch (err) {
      log.warn({ err, rollout_id: rolloutId }, 'nudge lost; the reconciler of rollouts will give another');
      return false;
    }
  };
  return {
    async wake(rolloutId, shares) {
      for (let share = 0; share < shares; share++) if (!(await add(rolloutId, share, false))) return;
    },
    work(concurrency, handle) {
      const worker = backend.openWorker(queueName, concurrency, async ({ data }) => {
        if (!('rolloutId' in data)) return;
        const rolloutId = data.rolloutId as RolloutId;
        try {
          if (await handle(rolloutId, stop.signal)) await add(rolloutId, data.share, !data.again);
        } catch (err) {
          log.warn({ err, rollout_id: rolloutId }, 'a share of a rollout could not be worked on now');
        }
      });
      worker.on('error', report);
      workers.push(worker);
    },
    async close() {
      stop.abort();
      await Promise.all(workers.map((worker) => worker.close()));
      await queue.close();
    },
  };
}
