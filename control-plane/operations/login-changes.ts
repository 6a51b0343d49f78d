// Owns what of the four logins of a database is not as the catalog says and can be set again by setLimits and setVerifier, for
// the reconciler role-settings. A change by the login itself (D08) is told apart from limits that a plan change left behind.
import type { DatabaseId } from '../../catalog/ids.ts';
import { type Login, logins, namesOf } from '../../catalog/names.ts';
import { planLimitsSchema } from '../../catalog/plan-limits.ts';
import type { DatabaseLimits } from '../postgres/cluster-admin.ts';
import type { InventoryRole } from '../postgres/cluster-inventory.ts';
import { expectedRole, settingDifferences } from './expected-roles.ts';

/** `what`: names only, for a value may be anything that a tenant has written. */
export type LoginChange = { login: Login; what: string[] };

export type LoginChanges = {
  /** Somebody's doing. */
  changes: LoginChange[];
  /** All logins alike hold other limits than those of the plan: the plan has changed, or the tenant's plan has. */
  otherLimits: boolean;
};

/** What a login stores as its default can be thousands of names of its own invention. */
const namesMax = 20;

/** Undefined where a role is missing or not ours: nothing can be set there, and fsck tells of it. */
export function loginChanges(
  roles: ReadonlyMap<string, InventoryRole>,
  id: DatabaseId,
  limits: DatabaseLimits,
): LoginChanges | undefined {
  const names = namesOf(id);
  const all = [names.database, names.owner, ...logins.map((login) => names.logins[login])];
  if (!all.every((name) => roles.get(name)?.mark === 'ours')) return undefined;
  const changesFrom = (from: DatabaseLimits) =>
    logins.flatMap((login) => {
      const what = changesOf(roles.get(names.logins[login]) as InventoryRole, id, from);
      return what.length === 0 ? [] : [{ login, what }];
    });
  const changes = changesFrom(limits);
  if (changes.length === 0) return { changes, otherLimits: false };
  // A login can change its own defaults but not those of the others, nor its connection limit.
  const held = limitsOf(roles.get(names.logins.app_b) as InventoryRole);
  return held !== undefined && changesFrom(held).length === 0
    ? { changes: [], otherLimits: true }
    : { changes, otherLimits: false };
}

function changesOf(role: InventoryRole, id: DatabaseId, limits: DatabaseLimits): string[] {
  const expected = expectedRole(role.name, id, limits);
  // What it has stored for a database that it cannot enter has no effect, and setLimits leaves it.
  const elsewhere = (setting: string) => /^[^=]*: /.test(setting) && !setting.startsWith(`${namesOf(id).database}: `);
  const { extra, missing } = settingDifferences(role, expected);
  const settings = [...extra.filter((setting) => !elsewhere(setting)), ...missing].map(nameOf);
  return [
    ...(role.login ? [] : ['login']),
    ...(role.connectionLimit === expected.connectionLimit ? [] : ['connection limit']),
    ...new Set(settings),
  ].slice(0, namesMax);
}

function nameOf(setting: string): string {
  return setting.replace(/^[^=]*: /, '').replace(/=.*$/s, '');
}

/** Undefined when no plan could have given them. */
function limitsOf(role: InventoryRole): DatabaseLimits | undefined {
  const settingOf = (name: string) => role.settings.find((setting) => setting.startsWith(`${name}=`))?.split('=')[1];
  const found = planLimitsSchema.safeParse({
    login_connections_max: role.connectionLimit,
    temp_file_kib_max: Number(settingOf('temp_file_limit')),
    statement_timeout_ms: Number(settingOf('statement_timeout')),
  });
  if (!found.success) return undefined;
  const { login_connections_max, temp_file_kib_max, statement_timeout_ms } = found.data;
  return {
    loginConnectionsMax: login_connections_max,
    tempFileKibMax: temp_file_kib_max,
    statementTimeoutMs: statement_timeout_ms,
  };
}
