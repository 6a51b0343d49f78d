// Owns how operations reach clusters and tenant databases: addresses come from the catalog and passwords are opened from
// their seals at the moment a session is made, so that neither is kept in memory.
import { hostname } from 'node:os';
import { provisionerContext } from '../../catalog/clusters.ts';
import { giveBackShares, takeShares } from '../../catalog/connection-shares.ts';
import { catalogFault } from '../../catalog/errors.ts';
import { type ClusterId, type DatabaseId, newId } from '../../catalog/ids.ts';
import { type Login, namesOf, secretContext } from '../../catalog/names.ts';
import type { CatalogDb } from '../../catalog/open-catalog.ts';
import { type ClusterShare, createShareHolder, type ShareHolder } from '../../catalog/share-holder.ts';
import { systemClock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Sealer } from '../../platform/sealing.ts';
import type { BookkeepingTable } from '../postgres/bookkeeping-table.ts';
import { type ClusterAdmins, createClusterAdmins } from '../postgres/cluster-admin.ts';
import { adminDatabase, provisionerRole } from '../postgres/cluster-names.ts';
import { type ClusterAddress, type ClusterSlots, createClusterSlots } from '../postgres/cluster-slots.ts';
import { createTenantDatabases, type TenantDatabases } from '../postgres/tenant-database.ts';
import type { HeadLanes } from './head-lanes.ts';

export type ClusterConnections = {
  clusters: ClusterAdmins;
  databases: TenantDatabases;
  /** @throws Fault database_incomplete */
  addressOf(id: DatabaseId, login: Login): Promise<ClusterAddress>;
  /** The provisioner's. @throws Fault cluster_not_found */
  serverOf(id: ClusterId): Promise<ClusterAddress>;
  /** What this process has of the clusters' connection budgets. */
  shares(): ClusterShare[];
  close(): Promise<void>;
};

export type ClusterConnectionsDeps = {
  catalog: CatalogDb;
  sealer: Sealer;
  heads: HeadLanes;
  bookkeeping?: BookkeepingTable;
  log: Log;
};

export function connectClusters(deps: ClusterConnectionsDeps): ClusterConnections {
  const { catalog, sealer, heads, bookkeeping, log } = deps;
  const holderId = newId('controlPlaneProcess');
  const shares: ShareHolder = createShareHolder({
    take: (nr, leaseMs, reports) =>
      takeShares(catalog, { holderId, host: hostname(), pid: process.pid, nr, leaseMs, reports }),
    giveBack: () => giveBackShares(catalog, holderId),
    usage: (id) => slots.usage(id),
    most: sessionsPerClusterMax,
    onChange: (id) => slots.shareChanged(id),
    clock: systemClock,
    log,
  });
  const slots: ClusterSlots = createClusterSlots({ holderId, mayOpen: shares.mayOpen, hurry: shares.hurry });
  const serverOf = (id: ClusterId) => provisionerAddress({ catalog, sealer, slots }, id);
  const addressOf = (id: DatabaseId, login: Login) => loginAddress({ catalog, sealer, slots }, id, login);
  const clusters = createClusterAdmins({ addressOf: serverOf, sealer, log });
  const databases = createTenantDatabases({
    addressOf,
    heads,
    lookForBlockers: (id) => {
      let cluster: Promise<ClusterId> | undefined;
      return async (pid) => {
        cluster ??= clusterOf(catalog, id);
        return clusters.of(await cluster).blockersOf(id, pid);
      };
    },
    ...(bookkeeping !== undefined && { bookkeeping }),
    log,
  });
  slots.reclaimFrom(databases.idle);
  slots.reclaimFrom(clusters.idle);
  return {
    clusters,
    databases,
    addressOf,
    serverOf,
    shares: shares.shares,
    close: async () => {
      await Promise.all([clusters.close(), databases.close()]);
      await shares.close();
    },
  };
}

async function clusterOf(catalog: CatalogDb, id: DatabaseId): Promise<ClusterId> {
  const found = catalog.selectFrom('databases').select('cluster_id').where('id', '=', id);
  return (await found.executeTakeFirstOrThrow()).cluster_id;
}

/** Workers, reconcilers, fsck and the fleet together; a server of a few cores gains nothing from more. */
const sessionsPerClusterMax = 64;

type AddressDeps = { catalog: CatalogDb; sealer: Sealer; slots: ClusterSlots };

/** @throws Fault cluster_not_found */
async function provisionerAddress({ catalog, sealer, slots }: AddressDeps, id: ClusterId): Promise<ClusterAddress> {
  const row = await catalog
    .selectFrom('clusters')
    .select(['host', 'port', 'tls', 'ca', 'provisioner_sealed'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) throw catalogFault('cluster_not_found', 'There is no cluster with this id.', { internal: id });
  const password = sealer.open(row.provisioner_sealed, provisionerContext(id));
  return { ...serverOf(row), database: adminDatabase, user: provisionerRole, password, slots: slots.of(id) };
}

/** @throws Fault database_incomplete */
async function loginAddress(
  { catalog, sealer, slots }: AddressDeps,
  id: DatabaseId,
  login: Login,
): Promise<ClusterAddress> {
  const row = await catalog
    .selectFrom('databases as d')
    .innerJoin('clusters as c', 'c.id', 'd.cluster_id')
    .innerJoin('database_secrets as s', (join) => join.onRef('s.database_id', '=', 'd.id').on('s.login', '=', login))
    .select(['c.id as clusterId', 'c.host', 'c.port', 'c.tls', 'c.ca', 's.sealed'])
    .where('d.id', '=', id)
    .executeTakeFirst();
  if (row === undefined) {
    throw catalogFault('database_incomplete', 'The catalog holds no password for this login.', {
      internal: `${id}/${login}`,
    });
  }
  const names = namesOf(id);
  const password = sealer.open(row.sealed, secretContext(id, login));
  const server = { ...serverOf(row), slots: slots.of(row.clusterId) };
  return { ...server, database: names.database, user: names.logins[login], password };
}

function serverOf(row: { host: string; port: number; tls: 'disable' | 'require' | 'verify-full'; ca: string | null }) {
  return { host: row.host, port: row.port, tls: row.tls, ...(row.ca === null ? {} : { ca: row.ca }) };
}
