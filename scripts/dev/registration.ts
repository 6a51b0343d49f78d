// Owns making the two tenant servers known to the control plane, and waiting until each has a warm database.
import type { Client } from '../../control-plane/client.ts';
import type { DevClusters } from './clusters.ts';

const regions = ['eu', 'us'] as const;
/** A first database takes about a second on an idle machine; this is for a busy one. */
const warmWaitMs = 90_000;

/** Repeatable: a cluster that is registered is left as it is. */
export async function registerDevClusters(client: Client, clusters: DevClusters): Promise<void> {
  const known = new Set((await Array.fromAsync(client.clusters.list())).map((cluster) => cluster.name));
  for (const region of regions) {
    if (known.has(`local-${region}`)) continue;
    await client.clusters.register({
      name: `local-${region}`,
      region,
      tier: 'shared',
      superuser: { ...clusters[region].address },
      capacity: 1_000,
      connection_budget: 200,
      warm_min: 2,
      warm_max: 8,
    });
  }
}

export async function waitForWarmStock(client: Client): Promise<void> {
  const until = performance.now() + warmWaitMs;
  for (;;) {
    const clusters = await Array.fromAsync(client.clusters.list());
    if (clusters.every((cluster) => cluster.databases_warm > 0)) return;
    if (performance.now() > until)
      throw new Error('no warm database after 90 s; see the lines above, or `npm run -s freehold -- operations list`');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
