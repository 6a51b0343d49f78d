// Owns the metrics of the control plane's work: nudges, operations by step, reconcilers, its part in the connection budgets, and what the
// catalog counts, asked when the page is. Labels come from fixed lists.
import { Counter, Gauge, Histogram } from 'prom-client';
import type { ClusterShare } from '../catalog/share-holder.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { StepMoment } from './operations/engine/engine-deps.ts';
import type { QueueEvent } from './queue/queue.ts';

export type Watched = {
  /** By whichever process has looked last. */
  countDrifted(): Promise<number>;
  /** What this process has of the connection budgets. */
  shares(): ClusterShare[];
};

export function watchControlPlane(metrics: Metrics, { countDrifted, shares }: Watched) {
  const registers = [metrics.registry];
  const queueEvents = new Counter({
    name: 'freehold_queue_events_total',
    help: 'Nudges sent, lost and handled, and errors of workers.',
    labelNames: ['lane', 'event'] as const,
    registers,
  });
  const steps = new Histogram({
    name: 'freehold_operation_step_seconds',
    help: 'Time of one step of an operation, without its record in the catalog.',
    labelNames: ['kind', 'step', 'direction'] as const,
    // From one statement in a warm database to a forced checkpoint.
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
    registers,
  });
  const reconcilers = new Histogram({
    name: 'freehold_reconciler_seconds',
    help: 'Time of one run of a reconciler.',
    labelNames: ['name', 'outcome'] as const,
    buckets: [0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120],
    registers,
  });
  const drifted = new Gauge({
    name: 'freehold_drifted_databases',
    help: 'Databases whose schema is not that of their version and was not adopted, by the last look at each. Every control plane says the same: take the max. Absent while the catalog does not answer.',
    registers,
    collect: async () => {
      const count = await countInTime(countDrifted);
      if (count === undefined) drifted.remove();
      else drifted.set(count);
    },
  });
  // Clusters are few: their ids may be labels.
  const byCluster = (name: string, help: string, read: (share: ClusterShare) => number) =>
    new Gauge({
      name: `freehold_${name}`,
      help,
      labelNames: ['cluster'] as const,
      registers,
      collect() {
        this.reset();
        for (const share of shares()) this.set({ cluster: share.clusterId }, read(share));
      },
    });
  byCluster('share_sessions', "This process's share of the cluster's connection budget.", (share) => share.mayOpen);
  byCluster('share_sessions_open', 'Sessions of this process on the cluster.', (share) => share.open);
  byCluster('cluster_budget_sessions', 'The connection budget of the cluster.', (share) => share.budget);
  return {
    queue: (event: QueueEvent) => queueEvents.inc({ lane: event.lane, event: event.type }),
    step: async ({ kind, step, direction, durationMs }: StepMoment) => {
      if (durationMs !== undefined) steps.observe({ kind, step, direction }, durationMs / 1000);
    },
    reconciler: ({ name, ok, durationMs }: { name: string; ok: boolean; durationMs: number }) =>
      reconcilers.observe({ name, outcome: ok ? 'ok' : 'failed' }, durationMs / 1000),
  };
}

/** A page of metrics is most wanted when the catalog is away: it does not wait for it longer than Prometheus does for a page. */
const countMaxMs = 2_000;

async function countInTime(count: () => Promise<number>): Promise<number | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), countMaxMs);
  try {
    return await Promise.race([count(), late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
