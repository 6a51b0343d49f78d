// Owns what fsck says of the roles on one cluster, beside what make_roles gives (expected-roles.ts): the six of each database,
// their attributes, memberships, limits and settings.
import type { DatabaseId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import { type ExpectedRole, expectedRole, limitsFor, settingDifferences } from '../operations/expected-roles.ts';
import type { DatabaseLimits } from '../postgres/cluster-admin.ts';
import type { InventoryRole } from '../postgres/cluster-inventory.ts';
import { rolesOf } from '../postgres/cluster-names.ts';
import type { ClusterView } from './clusters.ts';
import { mustExist } from './databases.ts';
import { finding } from './finding.ts';
import type { FindingCode } from './findings.ts';
import type { FsckFinding } from './report.ts';
import { roleDifferences } from './role-differences.ts';

type Found = [FindingCode, string];

export function checkRoles({ cluster, inventory, snapshot }: ClusterView): FsckFinding[] {
  const byName = new Map(inventory.roles.map((role) => [role.name, role]));
  const found: FsckFinding[] = [];
  for (const role of inventory.roles) {
    if (role.databaseId === undefined) continue;
    const at = { clusterId: cluster.id, databaseId: role.databaseId, object: role.name };
    const row = snapshot.databases.get(role.databaseId);
    if (role.mark !== 'ours') {
      const message = `${role.name} ${role.mark === 'none' ? 'has no mark' : 'has a mark that is not ours'}.`;
      found.push(finding('role_foreign', { ...at, tenantId: row?.tenant_id, message }));
    } else if (row === undefined || row.state === 'dropped' || row.cluster_id !== cluster.id) {
      const message = `${role.name} is on ${cluster.name}, and no database of the catalog there needs it.`;
      found.push(finding('role_without_row', { ...at, message }));
    }
  }
  for (const row of snapshot.databases.values()) {
    if (row.cluster_id !== cluster.id || !mustExist(row)) continue;
    const limits = limitsFor(snapshot, row);
    for (const name of rolesOf(namesOf(row.id))) {
      const at = { clusterId: cluster.id, databaseId: row.id, tenantId: row.tenant_id, object: name };
      const role = byName.get(name);
      if (role === undefined)
        found.push(finding('role_missing', { ...at, message: `${cluster.name} has no role ${name}.` }));
      else if (role.mark === 'ours') {
        found.push(
          ...checkRole(role, row.id, limits, byName).map(([code, message]) => finding(code, { ...at, message })),
        );
      }
    }
  }
  return found;
}

function checkRole(
  role: InventoryRole,
  id: DatabaseId,
  limits: DatabaseLimits,
  there: { has(name: string): boolean },
): Found[] {
  const { name } = role;
  const expected = expectedRole(name, id, limits);
  const found = checkMemberships(role, expected.memberOf, there);
  const differences = roleDifferences(role, { login: expected.login, createDatabase: false, inherit: true });
  if (differences.length > 0) found.push(['role_changed', `${name}: ${differences.join(', ')}.`]);
  if (role.connectionLimit !== expected.connectionLimit) {
    found.push([
      'role_connection_limit',
      `${name} has the connection limit ${role.connectionLimit}, not ${expected.connectionLimit}.`,
    ]);
  }
  const { extra, missing } = settingDifferences(role, expected);
  if (extra.length + missing.length > 0) {
    const words = [...extra.map((setting) => `has ${setting}`), ...missing.map((setting) => `lacks ${setting}`)];
    found.push(['role_setting', `${name} ${words.join('; ')}.`]);
  }
  return found;
}

/** A group that does not exist is told by itself, once. */
function checkMemberships(
  { name, memberOf }: InventoryRole,
  expected: ExpectedRole['memberOf'],
  there: { has(name: string): boolean },
): Found[] {
  const found: Found[] = [];
  for (const { role, inherit, set, admin } of memberOf) {
    const right = expected[role];
    if (right === undefined) found.push(['membership_extra', `${name} is a member of ${role}.`]);
    else if (admin || (inherit && !right.inherit) || (set && !right.set)) {
      const words = [admin && 'admin', inherit && 'inherit', set && 'set'].filter(Boolean).join(', ');
      found.push(['membership_extra', `${name} is a member of ${role} with ${words}.`]);
    }
  }
  for (const [role, right] of Object.entries(expected)) {
    const held = memberOf.some(
      (each) => each.role === role && (each.inherit || !right.inherit) && (each.set || !right.set),
    );
    if (!held && there.has(role))
      found.push(['membership_missing', `${name} is not a member of ${role} as it should be.`]);
  }
  return found;
}
