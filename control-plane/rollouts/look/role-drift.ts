// Owns how the logins of a database differ from what Freehold gives them (D08), told in the same form as a difference of its schema.
import type { SchemaDifference } from '../../../catalog/fleet-schema.ts';
import { namesOf } from '../../../catalog/names.ts';
import type { KnownDatabase } from '../../../catalog/schema-checks.ts';
import { limitsOfPlan } from '../../operations/database-limits.ts';
import { expectedRole } from '../../operations/expected-roles.ts';
import { loginChanges } from '../../operations/login-changes.ts';
import type { InventoryRole } from '../../postgres/cluster-inventory.ts';

/** What a changed plan has left is none: role-settings sets it within the minute. */
export function roleDrift(
  roles: ReadonlyMap<string, InventoryRole>,
  { databaseId, limits }: KnownDatabase,
): SchemaDifference[] {
  const { database, logins } = namesOf(databaseId);
  const planLimits = limitsOfPlan(limits);
  const found = loginChanges(roles, databaseId, planLimits);
  if (found === undefined) return [notWhole];
  return found.changes.map(({ login, what }) => {
    const name = logins[login];
    const should = expectedRole(name, databaseId, planLimits);
    const is = roles.get(name) as InventoryRole;
    const told = (role: Pick<InventoryRole, 'login' | 'connectionLimit' | 'settings'>) =>
      what.map((setting) => shownValue(role, setting, database)).join(', ');
    return {
      kind: 'role',
      object: name.replace(database, '<database>'),
      change: 'different',
      expected: told(should),
      found: told(is),
      repairable: true,
    };
  });
}

const notWhole: SchemaDifference = {
  kind: 'role',
  object: '<database>',
  change: 'missing',
  expected: 'six roles that bear our mark',
  found: null,
  repairable: false,
};

/** A name with what it is set to; a value that somebody has invented is cut. */
function shownValue(
  role: Pick<InventoryRole, 'login' | 'connectionLimit' | 'settings'>,
  what: string,
  database: string,
): string {
  if (what === 'login') return role.login ? 'login' : 'nologin';
  if (what === 'connection limit') return `connection limit ${role.connectionLimit}`;
  const set = role.settings.filter(
    (setting) => setting.startsWith(`${what}=`) || setting.startsWith(`${database}: ${what}=`),
  );
  return set.length === 0
    ? `no ${what}`
    : set.map((setting) => setting.replace(`${database}: `, '<database>: ').slice(0, 200)).join(', ');
}
