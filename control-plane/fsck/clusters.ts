// Owns what fsck says of a cluster as a whole: the functions, the template, the roles of the installation, who may
// enter databases that are not ours, and files that belong to no database.
import type { CatalogSnapshot } from '../../catalog/catalog-snapshot.ts';
import { databaseIdOf } from '../../catalog/names.ts';
import type { ClusterInventory, InventoryRole } from '../postgres/cluster-inventory.ts';
import {
  migratorsRole,
  poolerConnectionsMax,
  poolerRole,
  provisionerConnectionsMax,
  provisionerRole,
  templateDatabase,
  tenantsRole,
} from '../postgres/cluster-names.ts';
import { finding } from './finding.ts';
import type { FsckFinding } from './report.ts';
import { roleDifferences } from './role-differences.ts';

export type ClusterView = {
  cluster: CatalogSnapshot['clusters'][number];
  inventory: ClusterInventory;
  snapshot: CatalogSnapshot;
};

export type InstalledStamps = { functions: string; template: string };

export function checkCluster(view: ClusterView, stamps: InstalledStamps): FsckFinding[] {
  return [
    ...checkStamps(view, stamps),
    ...checkPublic(view),
    ...[...clusterRoles.keys()].flatMap((name) => checkClusterRole(view, name)),
    ...checkOutsiders(view),
    ...view.inventory.orphanDirectories.map((directory) =>
      finding('orphan_directory', {
        clusterId: view.cluster.id,
        object: `base/${directory.oid}`,
        message: `The folder base/${directory.oid} holds ${directory.bytes} bytes and belongs to no database; last changed ${directory.modifiedAt.toISOString()}.`,
      }),
    ),
  ];
}

function checkStamps({ cluster, inventory }: ClusterView, stamps: InstalledStamps): FsckFinding[] {
  const { id: clusterId, name: clusterName } = cluster;
  const found: FsckFinding[] = [];
  if (inventory.stamps.functions !== stamps.functions) {
    const message = `The provisioning functions of the cluster ${cluster.name} are not those of this version.`;
    found.push(finding('functions_outdated', { clusterId, clusterName, object: 'freehold_admin', message }));
  }
  const template = inventory.databases.find((database) => database.name === templateDatabase);
  const at = { clusterId, clusterName, object: templateDatabase };
  if (template === undefined) {
    const message = `The cluster ${cluster.name} has no template to make databases from.`;
    return [...found, finding('template_missing', { ...at, message })];
  }
  if (inventory.stamps.template !== stamps.template) {
    found.push(finding('template_outdated', { ...at, message: 'The template is not that of this version.' }));
  }
  const open = [
    template.open ? 'accepts connections' : [],
    template.template ? [] : 'is not marked as a template',
  ].flat();
  if (open.length > 0) {
    found.push(finding('template_unprotected', { ...at, message: `The template ${open.join(' and ')}.` }));
  }
  return found;
}

/** Databases of our form are looked at one by one in databases.ts. */
function checkPublic({ cluster, inventory }: ClusterView): FsckFinding[] {
  return inventory.databases
    .filter((database) => database.databaseId === undefined && (database.open || database.name === templateDatabase))
    .flatMap((database) => {
      const rights = database.grants.find((grant) => grant.grantee === 'PUBLIC')?.privileges ?? [];
      if (rights.length === 0) return [];
      const message = `Every login has ${rights.join(', ')} on the database ${database.name}.`;
      return [finding('public_may_connect', { clusterId: cluster.id, object: database.name, message })];
    });
}

const clusterRoles: ReadonlyMap<
  string,
  { login: boolean; createDatabase: boolean; inherit: boolean; connectionLimit: number }
> = new Map([
  [provisionerRole, { login: true, createDatabase: true, inherit: false, connectionLimit: provisionerConnectionsMax }],
  [poolerRole, { login: true, createDatabase: false, inherit: false, connectionLimit: poolerConnectionsMax }],
  [tenantsRole, { login: false, createDatabase: false, inherit: true, connectionLimit: -1 }],
  [migratorsRole, { login: false, createDatabase: false, inherit: true, connectionLimit: -1 }],
]);

function checkClusterRole({ cluster, inventory }: ClusterView, name: string): FsckFinding[] {
  const { id: clusterId, name: clusterName } = cluster;
  const role = inventory.roles.find((candidate) => candidate.name === name);
  if (role === undefined) {
    const message = `The cluster ${cluster.name} has no role ${name}.`;
    return [finding('cluster_role_missing', { clusterId, clusterName, object: name, message })];
  }
  const { connectionLimit = -1, ...expected } = clusterRoles.get(name) ?? {
    login: false,
    createDatabase: false,
    inherit: true,
  };
  const differences = roleDifferences(role, expected);
  if (role.connectionLimit !== connectionLimit) differences.push(`connection limit ${role.connectionLimit}`);
  const found = role.memberOf.map((membership) =>
    finding('cluster_role_is_member', {
      clusterId,
      // Lent for the moment of CREATE or DROP DATABASE: told only where no operation on that database is at work.
      databaseId: databaseIdOf(membership.role.replace(/_(own|mig|app_a|app_b|ro)$/, '')),
      object: name,
      message: `${name} is a member of ${membership.role}.`,
    }),
  );
  if (differences.length === 0) return found;
  return [
    ...found,
    finding('cluster_role_changed', {
      clusterId,
      clusterName,
      object: name,
      message: `${name}: ${differences.join(', ')}.`,
    }),
  ];
}

/** Superusers reach everything anyhow. */
function checkOutsiders({ cluster, inventory }: ClusterView): FsckFinding[] {
  const isOurs = (role: InventoryRole) => role.databaseId !== undefined || clusterRoles.has(role.name);
  return inventory.roles
    .filter((role) => !isOurs(role) && !role.superuser)
    .flatMap((role) =>
      role.memberOf
        .filter(
          ({ role: group }) => clusterRoles.has(group) || databaseIdOf(group.replace(/_(own|mig|app_a|app_b|ro)$/, '')),
        )
        .map(({ role: group }) =>
          finding('outsider_is_member', {
            clusterId: cluster.id,
            object: role.name,
            message: `${role.name}, which Freehold did not make, is a member of ${group}.`,
          }),
        ),
    );
}
