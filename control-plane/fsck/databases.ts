// Owns the comparison of the databases on one cluster with their rows: what has no counterpart, and what is not as Freehold
// leaves it. The inside of a database is looked at in inside.ts.
import type { SnapshotDatabase } from '../../catalog/catalog-snapshot.ts';
import type { DatabaseId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import type { InventoryDatabase } from '../postgres/cluster-inventory.ts';
import type { ClusterView } from './clusters.ts';
import { finding } from './finding.ts';
import type { FindingCode } from './findings.ts';
import type { FsckFinding } from './report.ts';

/** On a cluster in these states something must be there; in the others it may be. */
export function mustExist(row: SnapshotDatabase): boolean {
  return row.state === 'warm' || row.state === 'claimed';
}

export function checkDatabases(view: ClusterView): FsckFinding[] {
  const { cluster, inventory, snapshot } = view;
  const there = new Map(
    inventory.databases.flatMap((database) => (database.databaseId ? [[database.databaseId, database]] : [])),
  );
  const missing = [...snapshot.databases.values()]
    .filter((row) => row.cluster_id === cluster.id && mustExist(row) && !there.has(row.id))
    .map((row) =>
      finding('database_missing', {
        clusterId: cluster.id,
        databaseId: row.id,
        tenantId: row.tenant_id,
        object: row.name,
        message: `The catalog says that ${row.name} is ${row.state} on ${cluster.name}; it is not there.`,
      }),
    );
  return [...missing, ...[...there].flatMap(([id, database]) => checkDatabase(view, id, database))];
}

function checkDatabase({ cluster, snapshot }: ClusterView, id: DatabaseId, database: InventoryDatabase): FsckFinding[] {
  const row = snapshot.databases.get(id);
  const { name, unfinished } = database;
  const found = (code: FindingCode, message: string) =>
    finding(code, { clusterId: cluster.id, databaseId: id, tenantId: row?.tenant_id, object: name, message });
  // Without the owner's role being ours there is nothing by which it could be known.
  if (database.mark !== 'ours') {
    return [
      found('database_foreign', `${name} ${database.mark === 'none' ? 'has no mark' : 'has a mark that is not ours'}.`),
    ];
  }
  if (row === undefined || row.state === 'dropped') {
    const why = row === undefined ? 'The catalog has no row for it' : 'The catalog says it was dropped';
    return [found('database_without_row', `${name} is on ${cluster.name}. ${why}.`)];
  }
  if (row.cluster_id !== cluster.id) {
    return [
      found('database_on_wrong_cluster', `${name} is on ${cluster.name}; the catalog says it is on another cluster.`),
    ];
  }
  if (database.invalid) return [found('database_invalid', `${name} was half dropped.`)];
  if (unfinished) return [found('database_unmarked', `${name} has no mark; its owner has.`)];
  return [
    ...checkState(database, row).map(([code, message]) => found(code, message)),
    ...checkGrants(database, id).map(([code, message]) => found(code, message)),
  ];
}

type Found = [FindingCode, string];

function checkState(database: InventoryDatabase, row: SnapshotDatabase): Found[] {
  const { name } = database;
  const owner = `${name}_own`;
  const found: Found[] = [];
  if (database.owner !== owner)
    found.push(['database_wrong_owner', `${name} belongs to ${database.owner}, not to ${owner}.`]);
  if (mustExist(row) && database.open === row.fenced) {
    if (database.open) found.push(['database_open', `${name} accepts connections, and the catalog says it is closed.`]);
    else found.push(['database_closed', `${name} accepts no connections, and the catalog says it is open.`]);
  }
  if (database.template) found.push(['database_is_template', `${name} is marked as a template.`]);
  if (database.connectionLimit !== -1) {
    found.push(['database_connection_limit', `${name} has the connection limit ${database.connectionLimit}.`]);
  }
  if (database.settings.length > 0)
    found.push(['database_setting', `${name} has settings: ${database.settings.join('; ')}.`]);
  return found;
}

function checkGrants({ name, owner, grants }: InventoryDatabase, id: DatabaseId): Found[] {
  const group = namesOf(id).database;
  // A right of the rightful owner shows up where somebody else is the owner; that is told already.
  const extra = grants
    .map(
      ({ grantee, privileges }) =>
        [grantee, privileges.filter((right) => grantee !== group || right !== 'CONNECT')] as const,
    )
    .filter(([grantee, rights]) => rights.length > 0 && grantee !== `${name}_own`)
    .map(([grantee, rights]): Found => ['database_grant_extra', `${grantee} has ${rights.join(', ')} on ${name}.`]);
  const mayConnect = grants.some((grant) => grant.grantee === group && grant.privileges.includes('CONNECT'));
  if (mayConnect || owner === group) return extra;
  return [...extra, ['database_grant_missing', `The group ${group} may not connect to ${name}.`]];
}
