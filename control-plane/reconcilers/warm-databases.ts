// Owns the stock of warm databases on each cluster: never below warm_min, never above warm_max, between them as many as were
// asked for lately. Building waits while anybody waits for an operation (a build takes two sessions and half a core).
import { systemCaller } from '../../catalog/caller.ts';
import { lockIfWarm } from '../../catalog/databases.ts';
import { foregroundWaits, forgetDemand, oldestWarm, readStock, type StockOfCluster } from '../../catalog/warm-stock.ts';
import { startCreateDatabase } from '../operations/start/start-create-database.ts';
import { startDropDatabase } from '../operations/start/start-drop-database.ts';
import type { Reconciler, ReconcilerDeps } from './reconciler.ts';

/** What was asked for in this time may be asked for again before the next build is ready. */
const demandWindowMs = 120_000;
const demandKeptMs = 3_600_000;
/** More at once gain nothing on one server (LIMITS.md, 1) and would slow its tenants. */
const buildingMax = 4;
const waitingToleratedMs = 250;
const dropsPerRunMax = 4;

const caller = systemCaller('warm-databases');

export const warmDatabases: Reconciler = {
  name: 'warm-databases',
  everyMs: 2_000,
  async run(deps) {
    const stock = await readStock(deps.catalog, demandWindowMs);
    await forgetDemand(deps.catalog, demandKeptMs);
    let dropped = 0;
    for (const cluster of stock) dropped += await dropExcess(deps, cluster);
    const warm = stock.reduce((sum, cluster) => sum + cluster.warm, 0);
    if (await foregroundWaits(deps.catalog, waitingToleratedMs))
      return { warm, started: 0, dropped, held: 'foreground work waits' };
    let started = 0;
    for (const cluster of stock) started += await build(deps, cluster);
    return { warm, started, dropped };
  },
};

export function targetOf({ takesTenants, warmMin, warmMax, asked }: StockOfCluster): number {
  return takesTenants ? Math.min(warmMax, Math.max(warmMin, asked)) : 0;
}

async function build({ catalog, wake }: ReconcilerDeps, cluster: StockOfCluster): Promise<number> {
  const missing = targetOf(cluster) - cluster.warm - cluster.building;
  const starts = Math.max(0, Math.min(missing, buildingMax - cluster.building, cluster.free - cluster.building));
  for (let i = 0; i < starts; i++) {
    const operation = await startCreateDatabase(catalog, cluster.id, caller);
    await wake(operation.id, operation.lane);
  }
  return starts;
}

/** Only what may never be used: above the maximum, or on a cluster that takes no tenants. */
async function dropExcess({ catalog, wake }: ReconcilerDeps, cluster: StockOfCluster): Promise<number> {
  const excess = cluster.warm - (cluster.takesTenants ? cluster.warmMax : 0);
  if (excess <= 0) return 0;
  const databases = await oldestWarm(catalog, cluster.id, Math.min(excess, dropsPerRunMax));
  let dropped = 0;
  for (const database of databases) {
    const operation = await catalog.transaction().execute(async (tx) => {
      if (!(await lockIfWarm(tx, database.id))) return undefined;
      return startDropDatabase(tx, database, caller, 'more than the stock may hold');
    });
    if (operation === undefined) continue;
    await wake(operation.id, operation.lane);
    dropped++;
  }
  return dropped;
}
