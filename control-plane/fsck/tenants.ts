// Owns what fsck says of tenants and database rows against each other, without looking at any cluster.
import type { CatalogSnapshot, SnapshotDatabase, SnapshotTenant } from '../../catalog/catalog-snapshot.ts';
import type { TenantState } from '../../catalog/tenant-states.ts';
import { finding } from './finding.ts';
import type { FindingCode } from './findings.ts';
import type { FsckFinding } from './report.ts';

export function checkTenants(snapshot: CatalogSnapshot): FsckFinding[] {
  const held = Map.groupBy(
    [...snapshot.databases.values()].filter((row) => row.tenant_id !== null && row.state !== 'dropped'),
    (row) => row.tenant_id,
  );
  return [
    ...[...snapshot.tenants.values()].flatMap((tenant) => checkTenant(snapshot, tenant, held.get(tenant.id) ?? [])),
    ...[...snapshot.databases.values()].flatMap((row) => checkRow(snapshot, row)),
    ...snapshot.clusters.flatMap((cluster) => checkCount(snapshot, cluster)),
  ];
}

/** What each state waits for; a state that is not here waits for nobody. */
export const operationOfState: Readonly<Partial<Record<TenantState, string>>> = {
  provisioning: 'provision-tenant',
  suspending: 'suspend-tenant',
  resuming: 'resume-tenant',
  deleting: 'delete-tenant',
  purging: 'purge-tenant',
};

/** Does a tenant in this state have a database? undefined: it may, while its operation is at work. */
function holdsDatabase({ state, deletedFrom }: SnapshotTenant): boolean | undefined {
  if (state === 'active' || state === 'suspended' || state === 'suspending') return true;
  if (state === 'failed' || state === 'purged') return false;
  return state === 'deleted' ? deletedFrom !== 'failed' : undefined;
}

function checkTenant(
  snapshot: CatalogSnapshot,
  tenant: SnapshotTenant,
  rows: readonly SnapshotDatabase[],
): FsckFinding[] {
  const { id, state } = tenant;
  const found: FsckFinding[] = [];
  const say = (code: FindingCode, message: string) => found.push(finding(code, { tenantId: id, object: id, message }));
  const holds = holdsDatabase(tenant);
  const current = rows.filter((row) => row.state === 'claimed' || row.state === 'creating');
  const claimed = current.filter((row) => row.state === 'claimed');
  if (holds === true && claimed.length === 0) say('tenant_without_database', `${id} is ${state} and has no database.`);
  if (current.length > 1) {
    say(
      'tenant_with_two_databases',
      `${id} has ${current.length} databases: ${current.map((row) => row.name).join(', ')}.`,
    );
  }
  const kind = operationOfState[state];
  if (kind !== undefined && !snapshot.unfinished.some((operation) => operation.tenantId === id)) {
    say('tenant_stuck', `${id} is ${state}, and no operation ${kind} is at work.`);
  }
  if (holds === false) {
    for (const row of claimed) {
      const message = `${id} is ${state}, and ${row.name} is still claimed by it.`;
      const at = { clusterId: row.cluster_id, databaseId: row.id, tenantId: id, object: row.name, message };
      found.push(finding('database_of_gone_tenant', at));
    }
  }
  if (state === 'active' && claimed.length === 1 && claimed[0] !== undefined)
    found.push(...checkRoute(snapshot, tenant, claimed[0]));
  return found;
}

/** Missing databases and secrets are findings of their own; here it is the view that hides what is there. */
function checkRoute(snapshot: CatalogSnapshot, { id }: SnapshotTenant, row: SnapshotDatabase): FsckFinding[] {
  const route = snapshot.routes.get(id);
  const sealed = (login: string) => snapshot.secrets.some((each) => each.databaseId === row.id && each.login === login);
  const whole =
    route !== undefined &&
    route.database_id === row.id &&
    route.host !== null &&
    (route.app_sealed !== null || !sealed(row.active_login)) &&
    (route.ro_sealed !== null || !sealed('ro'));
  if (whole) return [];
  const message = `The route of ${id} ${route === undefined ? 'is missing' : 'is not complete'}.`;
  return [finding('route_incomplete', { tenantId: id, object: `route of ${id}`, message })];
}

function checkRow(snapshot: CatalogSnapshot, row: SnapshotDatabase): FsckFinding[] {
  const at = { clusterId: row.cluster_id, databaseId: row.id, tenantId: row.tenant_id, object: row.name };
  if (row.state === 'creating' && row.scratch_until !== null && row.scratch_until > new Date()) return [];
  if (row.state === 'creating' || row.state === 'retiring') {
    const worked = snapshot.unfinished.some((operation) =>
      operation.databaseId === null
        ? operation.tenantId === row.tenant_id && row.tenant_id !== null
        : operation.databaseId === row.id,
    );
    const message = `${row.name} is ${row.state}, and no operation is at work on it.`;
    return worked ? [] : [finding('database_unsettled', { ...at, message })];
  }
  const state = row.tenant_id === null ? undefined : snapshot.tenants.get(row.tenant_id)?.state;
  const shouldBeFenced =
    row.state === 'warm' || state === 'active'
      ? false
      : state === 'suspended' || state === 'deleted'
        ? true
        : undefined;
  if (row.state === 'dropped' || shouldBeFenced === undefined || shouldBeFenced === row.fenced) return [];
  const message = `${row.name} is ${row.fenced ? 'closed' : 'open'} by the catalog, and ${state === undefined ? 'it is warm' : `its tenant is ${state}`}.`;
  return [finding('fence_misfit', { ...at, message })];
}

function checkCount(snapshot: CatalogSnapshot, cluster: CatalogSnapshot['clusters'][number]): FsckFinding[] {
  let count = 0;
  for (const row of snapshot.databases.values())
    if (row.cluster_id === cluster.id && row.state !== 'dropped') count += 1;
  if (count === cluster.databases_used) return [];
  const message = `The cluster ${cluster.name} has ${count} databases; its row says ${cluster.databases_used}.`;
  return [finding('databases_used_wrong', { clusterId: cluster.id, object: cluster.name, message })];
}
