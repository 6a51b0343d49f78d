// Owns everything that nobody's operation takes care of: rows of databases left half made or half dropped, databases and roles
// of ours on a cluster without a row, and slots that were counted wrongly. What does not bear our mark is told, never touched.
import { systemCaller } from '../../catalog/caller.ts';
import { clustersWithHealth } from '../../catalog/cluster-health.ts';
import type { ClusterId, DatabaseId } from '../../catalog/ids.ts';
import { abandonedDatabases, hasAnyRow, knownDatabases, recountSlots } from '../../catalog/orphans.ts';
import { timeOfId } from '../../platform/crockford.ts';
import { startAdoptOrphan } from '../operations/start/start-adopt-orphan.ts';
import { startDropDatabase } from '../operations/start/start-drop-database.ts';
import type { ClusterInventory } from '../postgres/cluster-inventory.ts';
import type { Reconciler, ReconcilerDeps } from './reconciler.ts';

/** An operation begins with the row and ends within seconds; a row without one for this long was left behind. */
const rowGraceMs = 60_000;
/** Long enough that a person who restores a catalog can stop the control plane first. */
const orphanGraceMs = 3_600_000;
const perRunMax = 20;

const caller = systemCaller('orphan-databases');

export const orphanDatabases: Reconciler = createOrphanDatabases();

/** @param graces shorter ones for tests */
export function createOrphanDatabases(graces: { rowMs?: number; orphanMs?: number } = {}): Reconciler {
  const { rowMs = rowGraceMs, orphanMs = orphanGraceMs } = graces;
  return {
    name: 'orphan-databases',
    everyMs: 60_000,
    async run(deps) {
      const retired = await retireAbandoned(deps, rowMs);
      const found = { adopted: 0, waiting: [] as string[], doubtful: [] as string[], foreign: [] as string[] };
      const recounted: Record<string, unknown> = {};
      for (const cluster of await clustersWithHealth(deps.catalog, 'healthy')) {
        const slots = await recountSlots(deps.catalog, cluster);
        if (slots.was !== slots.is) recounted[cluster] = slots;
        const orphans = await findOrphans(deps, cluster);
        found.foreign.push(...orphans.foreign);
        for (const id of orphans.ours) {
          if (Date.now() - timeOfId(id.slice(4)) < orphanMs) found.waiting.push(id);
          // A row of another cluster, or one that says dropped: two things of one id. fsck names them for a person.
          else if (await hasAnyRow(deps.catalog, id)) found.doubtful.push(id);
          else if (found.adopted < perRunMax) {
            const operation = await startAdoptOrphan(
              deps.catalog,
              deps.sealer,
              { databaseId: id, clusterId: cluster },
              caller,
            );
            await deps.wake(operation.id, operation.lane);
            found.adopted++;
          }
        }
      }
      return { retired, ...found, recounted };
    },
  };
}

async function retireAbandoned({ catalog, wake }: ReconcilerDeps, rowMs: number): Promise<number> {
  const abandoned = await abandonedDatabases(catalog, rowMs, perRunMax);
  for (const database of abandoned) {
    const operation = await catalog
      .transaction()
      .execute((tx) => startDropDatabase(tx, database, caller, `left behind ${database.state}`));
    await wake(operation.id, operation.lane);
  }
  return abandoned.length;
}

/** What has a name of our form and no row, by its mark. The rows are read after the cluster: a row is always there first. */
async function findOrphans(
  { catalog, clusters, log }: ReconcilerDeps,
  clusterId: ClusterId,
): Promise<{ ours: DatabaseId[]; foreign: string[] }> {
  let inventory: ClusterInventory;
  try {
    inventory = await clusters.of(clusterId).inventory();
  } catch (error) {
    log.warn({ err: error, cluster_id: clusterId }, 'the cluster could not be looked through');
    return { ours: [], foreign: [] };
  }
  const known = await knownDatabases(catalog, clusterId);
  const ours = new Set<DatabaseId>();
  const foreign: string[] = [];
  for (const { name, databaseId, mark } of [...inventory.databases, ...inventory.roles]) {
    if (databaseId === undefined || known.has(databaseId)) continue;
    if (mark === 'ours') ours.add(databaseId);
    else foreign.push(name);
  }
  return { ours: [...ours], foreign };
}
