// Owns the names of what Freehold keeps once per cluster. The .sql files beside this file use the same words.
import type { DatabaseNames } from '../../catalog/names.ts';

/** The login the control plane works with: CREATEDB and the right to call the functions of the admin database. */
export const provisionerRole = 'freehold_provisioner';
/** Every tenant login is a member, so that pg_hba can name them all: +freehold_tenants. It holds no right. */
export const tenantsRole = 'freehold_tenants';
/** Every owner is a member: holds what the template takes from PUBLIC and a migration needs (plpgsql, advisory locks). */
export const migratorsRole = 'freehold_migrators';
/** The login of a pooler in front of the cluster. May ask freehold.pooler_login; has no password until an operator gives it one. */
export const poolerRole = 'freehold_pooler';
export const adminDatabase = 'freehold_admin';
export const templateDatabase = 'freehold_template';

/** Sessions of all control-plane processes together on one cluster's admin database, and CREATE/DROP DATABASE at work. */
export const provisionerConnectionsMax = 32;

/** A pooler asks once for each login of a client, in a fraction of a millisecond. */
export const poolerConnectionsMax = 5;

/** The six roles of one database, in the order in which they are made. */
export function rolesOf(names: DatabaseNames): string[] {
  return [names.database, names.owner, names.logins.mig, names.logins.app_a, names.logins.app_b, names.logins.ro];
}
