// Owns what make_roles (sql/provisioning.sql) gives each of the six roles of a database, and how a role on a cluster differs
// from that in its limit and settings. fsck tells of it; the reconciler role-settings sets it again.
import type { CatalogSnapshot, SnapshotDatabase } from '../../catalog/catalog-snapshot.ts';
import type { DatabaseId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import type { DatabaseLimits } from '../postgres/cluster-admin.ts';
import type { InventoryRole } from '../postgres/cluster-inventory.ts';
import { migratorsRole, tenantsRole } from '../postgres/cluster-names.ts';
import { limitsOfPlan, stockLimits } from './database-limits.ts';

export type ExpectedRole = {
  login: boolean;
  memberOf: Record<string, { inherit: boolean; set: boolean }>;
  connectionLimit: number;
  settings: string[];
};

/** Those of the tenant's plan, or of the stock. */
export function limitsFor(snapshot: Pick<CatalogSnapshot, 'tenants'>, { tenant_id }: SnapshotDatabase): DatabaseLimits {
  const tenant = tenant_id === null ? undefined : snapshot.tenants.get(tenant_id);
  return tenant === undefined ? stockLimits : limitsOfPlan(tenant.limits);
}

export function expectedRole(name: string, id: DatabaseId, limits: DatabaseLimits): ExpectedRole {
  const { database, owner, logins } = namesOf(id);
  const asLogin = { [database]: { inherit: true, set: false }, [tenantsRole]: { inherit: false, set: false } };
  const app = {
    login: true,
    memberOf: asLogin,
    connectionLimit: limits.loginConnectionsMax,
    settings: [
      ...everyLogin,
      `temp_file_limit=${limits.tempFileKibMax}`,
      `statement_timeout=${limits.statementTimeoutMs}`,
    ],
  };
  switch (name) {
    case database:
      return { login: false, memberOf: {}, connectionLimit: -1, settings: [] };
    case owner:
      return {
        login: false,
        memberOf: { [migratorsRole]: { inherit: true, set: false } },
        connectionLimit: -1,
        settings: [],
      };
    case logins.mig:
      return {
        login: true,
        memberOf: { ...asLogin, [owner]: { inherit: false, set: true } },
        connectionLimit: 3,
        settings: [...everyLogin, 'lock_timeout=5s'],
      };
    case logins.ro:
      return { ...app, settings: [...app.settings, 'default_transaction_read_only=on'] };
    default:
      return app;
  }
}

export type SettingDifferences = { extra: string[]; missing: string[] };

export function settingDifferences(
  role: Pick<InventoryRole, 'settings'>,
  expected: Pick<ExpectedRole, 'settings'>,
): SettingDifferences {
  return {
    extra: role.settings.filter((setting) => !expected.settings.includes(setting)),
    missing: expected.settings.filter((setting) => !role.settings.includes(setting)),
  };
}

const everyLogin = ['search_path=public, pg_temp', 'idle_in_transaction_session_timeout=60s'];
