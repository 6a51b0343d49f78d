// Owns the installation that fsck is tried on: two clusters, tenants in several states, warm stock, and short ways to damage
// each place behind the product's back.
import { systemCaller } from '../../catalog/caller.ts';
import type { SnapshotDatabase } from '../../catalog/catalog-snapshot.ts';
import type { ClusterId, TenantId } from '../../catalog/ids.ts';
import { startCreateDatabase } from '../../control-plane/operations/start/start-create-database.ts';
import { startDeleteTenant } from '../../control-plane/operations/start/start-delete-tenant.ts';
import { startProvisionTenant } from '../../control-plane/operations/start/start-provision-tenant.ts';
import { startPurgeTenant } from '../../control-plane/operations/start/start-purge-tenant.ts';
import { startSuspendTenant } from '../../control-plane/operations/start/start-suspend-tenant.ts';
import { createInstallation, type Installation, type TestCluster } from './installation.ts';
import { superuserSql } from './superuser-sql.ts';

export type FsckHouse = {
  installation: Installation;
  /** Active, active, suspended; warm on the first and on the second cluster; dropped with its purged tenant. */
  alpha: SnapshotDatabase;
  beta: SnapshotDatabase;
  closed: SnapshotDatabase;
  warm: SnapshotDatabase;
  warmTwo: SnapshotDatabase;
  dropped: SnapshotDatabase;
  inCatalog(sql: string, params?: unknown[]): Promise<Record<string, unknown>[]>;
  clusterOf(row: { cluster_id: ClusterId }): TestCluster;
  otherThan(row: { cluster_id: ClusterId }): TestCluster;
  /** As superuser on the cluster of the database, and inside the database. */
  onCluster(row: SnapshotDatabase, sql: string): Promise<void>;
  inside(row: SnapshotDatabase, sql: string): Promise<void>;
  close(): Promise<void>;
};

export async function openFsckHouse(): Promise<FsckHouse> {
  const installation = await createInstallation();
  const { catalog, clusters, deps, run } = installation;
  const caller = systemCaller('test');
  const provision = async (slug: string): Promise<TenantId> => {
    const input = { slug, name: slug, region: 'here', tier: 'shared' as const, planId: 'team', labels: {} };
    const { tenant, operation } = await startProvisionTenant(deps.catalog, input, caller);
    await run(operation.id);
    return tenant.id;
  };
  const [alpha, beta, closed, gone] = [
    await provision('alpha'),
    await provision('beta'),
    await provision('closed'),
    await provision('gone'),
  ];
  await run((await startSuspendTenant(deps.catalog, closed, caller)).operation.id);
  await run((await startDeleteTenant(deps.catalog, gone, caller, { graceMs: 0 })).operation.id);
  await run((await startPurgeTenant(deps.catalog, gone, caller, { force: true })).operation.id);
  for (const cluster of clusters) await run((await startCreateDatabase(deps.catalog, cluster.id, caller)).id);

  const rows = await catalog.db.selectFrom('databases').selectAll().execute();
  const rowOf = (is: (row: SnapshotDatabase) => boolean): SnapshotDatabase => {
    const row = rows.find(is);
    if (row === undefined) throw new Error('the installation was not made as asked for');
    return row;
  };
  const clusterOf = (row: { cluster_id: ClusterId }) => (clusters[0].id === row.cluster_id ? clusters[0] : clusters[1]);
  return {
    installation,
    alpha: rowOf((row) => row.tenant_id === alpha),
    beta: rowOf((row) => row.tenant_id === beta),
    closed: rowOf((row) => row.tenant_id === closed),
    dropped: rowOf((row) => row.state === 'dropped'),
    warm: rowOf((row) => row.state === 'warm' && row.cluster_id === clusters[0].id),
    warmTwo: rowOf((row) => row.state === 'warm' && row.cluster_id === clusters[1].id),
    inCatalog: (sql, params) => superuserSql(catalog.address, sql, params),
    clusterOf,
    otherThan: (row) => (clusterOf(row) === clusters[0] ? clusters[1] : clusters[0]),
    onCluster: async (row, sql) => void (await superuserSql(clusterOf(row).server.address, sql)),
    inside: async (row, sql) =>
      void (await superuserSql({ ...clusterOf(row).server.address, database: row.name }, sql)),
    close: () => installation.close(),
  };
}
