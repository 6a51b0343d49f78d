// Owns one look at the catalog and at all clusters. Whatever cannot be reached is a finding; only a catalog that does not
// answer is an error.
import {
  type CatalogSnapshot,
  readCatalogSnapshot,
  readTouched,
  type Touched,
} from '../../catalog/catalog-snapshot.ts';
import type { ClusterId, DatabaseId } from '../../catalog/ids.ts';
import type { CatalogDb } from '../../catalog/open-catalog.ts';
import { ConnectionLostError, PostgresError } from '../../platform/postgres/errors.ts';
import type { Sealer } from '../../platform/sealing.ts';
import type { ClusterAdmin } from '../postgres/cluster-admin.ts';
import type { ClusterInventory } from '../postgres/cluster-inventory.ts';
import { installedStamps } from '../postgres/install-cluster.ts';
import type { TenantDatabases } from '../postgres/tenant-database.ts';
import { type ClusterView, checkCluster, type InstalledStamps } from './clusters.ts';
import { checkDatabases, mustExist } from './databases.ts';
import { finding } from './finding.ts';
import { findingSpec } from './findings.ts';
import { inParallel } from './in-parallel.ts';
import { checkInside, type Inside, withoutFleetWide } from './inside.ts';
import { checkOperations } from './operations.ts';
import type { FsckCounts, FsckFinding } from './report.ts';
import { checkRoles } from './roles.ts';
import { checkPasswords, checkSecrets } from './secrets.ts';
import { checkTenants } from './tenants.ts';

export type FsckDeps = {
  catalog: CatalogDb;
  clusters: { of(id: ClusterId): Pick<ClusterAdmin, 'inventory'> };
  databases: Pick<TenantDatabases, 'inspect'>;
  sealer: Pick<Sealer, 'open'>;
  log: { warn(fields: object, message: string): void };
};

export type LookScope = {
  /** All, unless told. Findings about the catalog itself do not depend on it. */
  clusters?: ReadonlySet<ClusterId>;
  /** Which databases to look into. All, unless told. */
  inside?: ReadonlySet<DatabaseId>;
};

export type Look = { findings: FsckFinding[]; checked: FsckCounts; touched: Touched };

const clustersAtATime = 8;
/** Per cluster, one session each: enough to hide the round trips, few enough to leave the cluster to its tenants. */
const databasesAtATime = 4;

export async function look(deps: FsckDeps, scope: LookScope): Promise<Look> {
  const before = await readTouched(deps.catalog);
  const snapshot = await readCatalogSnapshot(deps.catalog);
  const clusters = snapshot.clusters.filter((cluster) => isLookedAt(snapshot, cluster, scope));
  const checked = countsOf(snapshot, clusters.length);
  const findings = [...checkTenants(snapshot), ...checkOperations(snapshot), ...checkSecrets(snapshot, deps.sealer)];
  const insides = new Map<DatabaseId, Inside>();
  const stamps = installedStamps();
  await inParallel(clusters, clustersAtATime, async (cluster) => {
    const view = await readCluster(deps, snapshot, cluster);
    if ('unreachable' in view) findings.push(view.unreachable);
    else {
      checked.databases += view.inventory.databases.length;
      checked.roles += view.inventory.roles.length;
      findings.push(...(await checkView(deps, view, stamps)));
      findings.push(...(await lookInside(deps, view, scope, before, insides)));
    }
  });
  checked.looked_into = insides.size;
  checked.not_looked_into =
    [...snapshot.databases.values()].filter((row) => row.state !== 'dropped').length - insides.size;
  findings.push(...withoutFleetWide(snapshot, insides));
  const touched = await readTouched(deps.catalog, before.at);
  return { findings: findings.filter((each) => !isInFlight(each, before, touched)), checked, touched };
}

function isLookedAt(
  snapshot: CatalogSnapshot,
  { id, state }: CatalogSnapshot['clusters'][number],
  scope: LookScope,
): boolean {
  if (scope.clusters !== undefined && !scope.clusters.has(id)) return false;
  if (state !== 'retired') return true;
  return [...snapshot.databases.values()].some((row) => row.cluster_id === id && row.state !== 'dropped');
}

function countsOf(snapshot: CatalogSnapshot, clusters: number): FsckCounts {
  return {
    clusters,
    databases: 0,
    roles: 0,
    routes: snapshot.routes.size,
    secrets: snapshot.secrets.length + snapshot.signingKeys.length + snapshot.clusters.length,
    looked_into: 0,
    not_looked_into: 0,
  };
}

async function readCluster(
  deps: FsckDeps,
  snapshot: CatalogSnapshot,
  cluster: CatalogSnapshot['clusters'][number],
): Promise<ClusterView | { unreachable: FsckFinding }> {
  let inventory: ClusterInventory;
  try {
    inventory = await deps.clusters.of(cluster.id).inventory();
  } catch (error) {
    deps.log.warn({ err: error, cluster_id: cluster.id }, 'fsck could not read a cluster');
    const message = `The cluster ${cluster.name} could not be read: ${describe(error)}.`;
    return {
      unreachable: finding('cluster_unreachable', {
        clusterId: cluster.id,
        clusterName: cluster.name,
        object: cluster.name,
        message,
      }),
    };
  }
  return { cluster, inventory, snapshot };
}

async function checkView(deps: FsckDeps, view: ClusterView, stamps: InstalledStamps): Promise<FsckFinding[]> {
  return [
    ...checkCluster(view, stamps),
    ...checkDatabases(view),
    ...checkRoles(view),
    ...(await checkPasswords(view, deps.sealer)),
  ];
}

/** Only what is ours, open and settled: the rest is told from outside, and a fenced database stays closed for us too. */
async function lookInside(
  deps: FsckDeps,
  { inventory, snapshot, cluster }: ClusterView,
  { inside }: LookScope,
  before: Touched,
  insides: Map<DatabaseId, Inside>,
): Promise<FsckFinding[]> {
  const findings: FsckFinding[] = [];
  const rows = inventory.databases.flatMap((database) => {
    const row = database.databaseId === undefined ? undefined : snapshot.databases.get(database.databaseId);
    const whole = database.mark === 'ours' && database.open && !database.invalid;
    return row !== undefined && whole && row.cluster_id === cluster.id && mustExist(row) && !row.fenced ? [row] : [];
  });
  const wanted = rows.filter((row) => (inside?.has(row.id) ?? true) && !before.databases.has(row.id));
  await inParallel(wanted, databasesAtATime, async (row) => {
    try {
      insides.set(row.id, checkInside(row, await deps.databases.inspect(row.id)));
    } catch (error) {
      deps.log.warn({ err: error, database_id: row.id }, 'fsck could not look into a database');
      findings.push(
        finding('database_unreadable', {
          clusterId: row.cluster_id,
          databaseId: row.id,
          tenantId: row.tenant_id,
          object: row.name,
          message: `${row.name} could not be looked into: ${describe(error)}.`,
        }),
      );
    }
  });
  return findings;
}

function isInFlight({ code, databaseId, tenantId }: FsckFinding, ...touched: Touched[]): boolean {
  if (findingSpec(code).evenInProgress === true) return false;
  return touched.some(
    ({ databases, tenants }) =>
      (databaseId !== undefined && databases.has(databaseId)) || (tenantId !== undefined && tenants.has(tenantId)),
  );
}

/** Without host names: a report goes to whoever may ask for it. */
function describe(error: unknown): string {
  if (error instanceof PostgresError) return `PostgreSQL says ${error.sqlstate}, ${error.message}`;
  if (error instanceof ConnectionLostError)
    return `no connection${error.sqlstate === undefined ? '' : ` (${error.sqlstate})`}`;
  return error instanceof Error ? error.message : String(error);
}
