// Owns how operations reach clusters and tenant databases: addresses come from the catalog and passwords are opened from
// their seals at the moment a session is made, so that neither is kept in memory.
import { provisionerContext } from '../../catalog/clusters.ts';
import { catalogFault } from '../../catalog/errors.ts';
import type { ClusterId, DatabaseId } from '../../catalog/ids.ts';
import { type Login, namesOf, secretContext } from '../../catalog/names.ts';
import type { CatalogDb } from '../../catalog/open-catalog.ts';
import type { Log } from '../../platform/log.ts';
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import type { Sealer } from '../../platform/sealing.ts';
import type { BookkeepingTable } from '../postgres/bookkeeping-table.ts';
import { type ClusterAdmins, createClusterAdmins } from '../postgres/cluster-admin.ts';
import { adminDatabase, provisionerRole } from '../postgres/cluster-names.ts';
import { createTenantDatabases, type TenantDatabases } from '../postgres/tenant-database.ts';
import type { HeadLanes } from './head-lanes.ts';

export type ClusterConnections = {
  clusters: ClusterAdmins;
  databases: TenantDatabases;
  /** @throws Fault database_incomplete */
  addressOf(id: DatabaseId, login: Login): Promise<PostgresAddress>;
  /** The provisioner's. @throws Fault cluster_not_found */
  serverOf(id: ClusterId): Promise<PostgresAddress>;
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
  const clusters = createClusterAdmins({ addressOf: (id) => provisionerAddress(catalog, sealer, id), sealer, log });
  const databases = createTenantDatabases({
    addressOf: (id, login) => loginAddress(catalog, sealer, id, login),
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
  return {
    clusters,
    databases,
    addressOf: (id, login) => loginAddress(catalog, sealer, id, login),
    serverOf: (id) => provisionerAddress(catalog, sealer, id),
    close: async () => void (await Promise.all([clusters.close(), databases.close()])),
  };
}

async function clusterOf(catalog: CatalogDb, id: DatabaseId): Promise<ClusterId> {
  const found = catalog.selectFrom('databases').select('cluster_id').where('id', '=', id);
  return (await found.executeTakeFirstOrThrow()).cluster_id;
}

/** @throws Fault cluster_not_found */
async function provisionerAddress(catalog: CatalogDb, sealer: Sealer, id: ClusterId): Promise<PostgresAddress> {
  const row = await catalog
    .selectFrom('clusters')
    .select(['host', 'port', 'tls', 'ca', 'provisioner_sealed'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) throw catalogFault('cluster_not_found', 'There is no cluster with this id.', { internal: id });
  const password = sealer.open(row.provisioner_sealed, provisionerContext(id));
  return { ...serverOf(row), database: adminDatabase, user: provisionerRole, password };
}

/** @throws Fault database_incomplete */
async function loginAddress(
  catalog: CatalogDb,
  sealer: Sealer,
  id: DatabaseId,
  login: Login,
): Promise<PostgresAddress> {
  const row = await catalog
    .selectFrom('databases as d')
    .innerJoin('clusters as c', 'c.id', 'd.cluster_id')
    .innerJoin('database_secrets as s', (join) => join.onRef('s.database_id', '=', 'd.id').on('s.login', '=', login))
    .select(['c.host', 'c.port', 'c.tls', 'c.ca', 's.sealed'])
    .where('d.id', '=', id)
    .executeTakeFirst();
  if (row === undefined) {
    throw catalogFault('database_incomplete', 'The catalog holds no password for this login.', {
      internal: `${id}/${login}`,
    });
  }
  const names = namesOf(id);
  const password = sealer.open(row.sealed, secretContext(id, login));
  return { ...serverOf(row), database: names.database, user: names.logins[login], password };
}

function serverOf(row: { host: string; port: number; tls: 'disable' | 'require' | 'verify-full'; ca: string | null }) {
  return { host: row.host, port: row.port, tls: row.tls, ...(row.ca === null ? {} : { ca: row.ca }) };
}
