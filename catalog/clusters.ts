// Owns the rows of clusters as people see and change them: registering, looking up, limits, draining.
// Placement and the count of databases belong to databases.ts.
import { type Selectable, sql } from 'kysely';
import { isUniqueViolation } from '../platform/postgres/errors.ts';
import { writeAudit } from './audit.ts';
import type { Caller } from './caller.ts';
import { catalogFault } from './errors.ts';
import { type ClusterId, isId } from './ids.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
import type { ClusterState, ClustersTable, Tier } from './schema.ts';

/** Without the sealed credential: whoever needs that asks for it by name. */
export type ClusterRow = Omit<Selectable<ClustersTable>, 'provisioner_sealed'> & {
  /** Counted at the read: databases in stock. */
  databases_warm: number;
  /** Of the connection budget: what processes may have open, and what they had when they last told. */
  connections_granted: number;
  connections_open: number;
};

export type NewCluster = {
  id: ClusterId;
  name: string;
  region: string;
  tier: Tier;
  host: string;
  port: number;
  tls: 'disable' | 'require' | 'verify-full';
  ca: string | null;
  poolerUrl: string | null;
  provisionerSealed: string;
  serverVersionNum: number;
  capabilities: object;
  capacity: number;
  connectionBudget: number;
  warmMin: number;
  warmMax: number;
};

export type ClusterPatch = {
  capacity?: number;
  connection_budget?: number;
  warm_min?: number;
  warm_max?: number;
  pooler_url?: string | null;
};

/** The context the provisioner's password is sealed with. */
export function provisionerContext(id: ClusterId): string {
  return `${id}/provisioner`;
}

export async function listClusters(
  db: CatalogDb,
  filter: { region?: string | undefined; state?: ClusterState | undefined; after?: string | undefined; limit: number },
): Promise<ClusterRow[]> {
  let query = db.selectFrom('clusters').select(publicColumns).orderBy('id', 'desc').limit(filter.limit);
  if (filter.region !== undefined) query = query.where('region', '=', filter.region);
  if (filter.state !== undefined) query = query.where('state', '=', filter.state);
  if (filter.after !== undefined) query = query.where('id', '<', filter.after as ClusterId);
  return await query.execute();
}

/** @throws Fault cluster_not_found */
export async function findCluster(db: CatalogDb | CatalogTx, idOrName: string): Promise<ClusterRow> {
  const column = isId('cluster', idOrName) ? 'id' : 'name';
  const row = await db.selectFrom('clusters').select(publicColumns).where(column, '=', idOrName).executeTakeFirst();
  if (row === undefined) throw clusterNotFound();
  return row;
}

/** @throws Fault name_taken when a cluster has this name or this address. Asked before a server is touched. */
export async function refuseKnownCluster(
  db: CatalogDb,
  cluster: { name: string; host: string; port: number },
): Promise<void> {
  const known = await db
    .selectFrom('clusters')
    .select(['id', 'name'])
    .where((eb) =>
      eb.or([eb('name', '=', cluster.name), eb.and([eb('host', '=', cluster.host), eb('port', '=', cluster.port)])]),
    )
    .executeTakeFirst();
  if (known !== undefined) throw nameTaken();
}

export async function insertCluster(tx: CatalogTx, cluster: NewCluster, caller: Caller): Promise<ClusterRow> {
  const row = await tx
    .insertInto('clusters')
    .values({
      id: cluster.id,
      name: cluster.name,
      region: cluster.region,
      tier: cluster.tier,
      state: 'active',
      host: cluster.host,
      port: cluster.port,
      tls: cluster.tls,
      ca: cluster.ca,
      pooler_url: cluster.poolerUrl,
      provisioner_sealed: cluster.provisionerSealed,
      server_version_num: cluster.serverVersionNum,
      capabilities: JSON.stringify(cluster.capabilities),
      capacity: cluster.capacity,
      connection_budget: cluster.connectionBudget,
      warm_min: cluster.warmMin,
      warm_max: cluster.warmMax,
    })
    .returning(publicColumns)
    .executeTakeFirstOrThrow()
    .catch((error: unknown) => {
      throw isUniqueViolation(error) ? nameTaken() : error;
    });
  const { name, region, tier, capacity } = cluster;
  await writeAudit(tx, caller, {
    action: 'cluster.register',
    targetType: 'cluster',
    targetId: cluster.id,
    detail: { name, region, tier, capacity },
  });
  return row;
}

/** @throws Fault stale_version, cluster_not_found, or invalid limits as wrong_state */
export async function updateCluster(
  tx: CatalogTx,
  id: ClusterId,
  version: number,
  patch: ClusterPatch,
  caller: Caller,
): Promise<ClusterRow> {
  const before = await lockCluster(tx, id);
  if (before.version !== version)
    throw catalogFault('stale_version', 'The cluster was changed meanwhile: read it again.');
  const row = await tx
    .updateTable('clusters')
    .set({ ...patch, version: before.version + 1, updated_at: sql`now()` })
    .where('id', '=', id)
    .returning(publicColumns)
    .executeTakeFirstOrThrow();
  await writeAudit(tx, caller, { action: 'cluster.update', targetType: 'cluster', targetId: id, detail: patch });
  return row;
}

export type ClusterServer = Pick<
  Selectable<ClustersTable>,
  'host' | 'port' | 'tls' | 'ca' | 'connection_budget' | 'provisioner_sealed'
>;

/** Where its server is, with the sealed credential. @throws Fault cluster_not_found */
export async function findClusterServer(db: CatalogDb | CatalogTx, id: ClusterId): Promise<ClusterServer> {
  const row = await db
    .selectFrom('clusters')
    .select(['host', 'port', 'tls', 'ca', 'connection_budget', 'provisioner_sealed'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) throw clusterNotFound();
  return row;
}

/** What an installation has found on the server; everything else stays. @throws Fault cluster_not_found */
export async function recordInstallation(
  tx: CatalogTx,
  id: ClusterId,
  { serverVersionNum, capabilities }: { serverVersionNum: number; capabilities: object },
  caller: Caller,
): Promise<ClusterRow> {
  const before = await lockCluster(tx, id);
  const row = await tx
    .updateTable('clusters')
    .set({
      server_version_num: serverVersionNum,
      capabilities: JSON.stringify(capabilities),
      version: before.version + 1,
      updated_at: sql`now()`,
    })
    .where('id', '=', id)
    .returning(publicColumns)
    .executeTakeFirstOrThrow();
  const detail = { version_before: before.server_version_num, version: serverVersionNum };
  await writeAudit(tx, caller, { action: 'cluster.install', targetType: 'cluster', targetId: id, detail });
  return row;
}

/** A draining cluster gets no new tenant; those that are there stay. Setting the state it has already is no error. */
export async function setClusterState(
  tx: CatalogTx,
  id: ClusterId,
  state: 'active' | 'draining',
  caller: Caller,
): Promise<ClusterRow> {
  const before = await lockCluster(tx, id);
  if (before.state === 'retired') {
    throw catalogFault('wrong_state', 'The cluster is retired; register the server again instead.', {
      extra: { state: before.state, possible: [] },
    });
  }
  if (before.state === state) return before;
  const row = await tx
    .updateTable('clusters')
    .set({ state, version: before.version + 1, updated_at: sql`now()` })
    .where('id', '=', id)
    .returning(publicColumns)
    .executeTakeFirstOrThrow();
  const action = state === 'draining' ? 'cluster.drain' : 'cluster.activate';
  await writeAudit(tx, caller, { action, targetType: 'cluster', targetId: id });
  return row;
}

const publicColumns = [
  'id',
  'name',
  'region',
  'tier',
  'state',
  'host',
  'port',
  'tls',
  'ca',
  'pooler_url',
  'server_version_num',
  'capabilities',
  'capacity',
  'databases_used',
  'connection_budget',
  'warm_min',
  'warm_max',
  'health',
  'health_detail',
  'health_checked_at',
  'version',
  'created_at',
  'updated_at',
  sql<number>`(select count(*)::integer from databases d where d.cluster_id = clusters.id and d.state = 'warm')`.as(
    'databases_warm',
  ),
  sql<number>`(select coalesce(sum(s.granted), 0)::integer from connection_shares s where s.cluster_id = clusters.id)`.as(
    'connections_granted',
  ),
  sql<number>`(select coalesce(sum(s.open), 0)::integer from connection_shares s where s.cluster_id = clusters.id)`.as(
    'connections_open',
  ),
] as const;

async function lockCluster(tx: CatalogTx, id: ClusterId): Promise<ClusterRow> {
  const row = await tx.selectFrom('clusters').select(publicColumns).where('id', '=', id).forUpdate().executeTakeFirst();
  if (row === undefined) throw clusterNotFound();
  return row;
}

function clusterNotFound() {
  return catalogFault('cluster_not_found', 'There is no such cluster.');
}

function nameTaken() {
  return catalogFault('name_taken', 'A cluster with this name or this address is registered already.');
}
