// Owns whether a cluster answers. One that does not gets no new tenants until it does again; the longer it is away, the less
// often it is asked.
import { type ClusterHealth, clustersToCheck, recordHealth } from '../../catalog/cluster-health.ts';
import type { Reconciler, ReconcilerDeps } from './reconciler.ts';

/** One lost packet is no outage: the second failure in a row counts. */
const failuresTolerated = 1;
const firstWaitMs = 5_000;
const waitMaxMs = 60_000;

export const clusterHealth: Reconciler = {
  name: 'cluster-health',
  everyMs: 10_000,
  async run(deps) {
    const clusters = await clustersToCheck(deps.catalog);
    const results = await Promise.all(clusters.map((cluster) => check(deps, cluster)));
    return { checked: results.length, unreachable: results.filter((health) => health === 'unreachable').length };
  },
};

async function check(
  { catalog, clusters, log }: ReconcilerDeps,
  cluster: ClusterHealth,
): Promise<'healthy' | 'unreachable'> {
  try {
    const { serverVersionNum, sessions } = await clusters.of(cluster.id).ping();
    if (cluster.health !== 'healthy') log.info({ cluster_id: cluster.id }, 'cluster answers again');
    await recordHealth(catalog, cluster, 'healthy', { sessions, server_version_num: serverVersionNum });
    return 'healthy';
  } catch (error) {
    const failures = (cluster.health_detail.failures ?? 0) + 1;
    const health = failures > failuresTolerated ? 'unreachable' : cluster.health;
    const waitMs =
      failures > failuresTolerated ? Math.min(waitMaxMs, firstWaitMs * 2 ** Math.min(failures - 2, 10)) : 0;
    if (health !== cluster.health) log.error({ err: error, cluster_id: cluster.id }, 'cluster does not answer');
    await recordHealth(catalog, cluster, health, {
      failures,
      error: error instanceof Error ? error.name : 'Error',
      next_check_at: new Date(Date.now() + waitMs).toISOString(),
    });
    return health;
  }
}
