// Owns the list of all reconcilers.
import { clusterHealth } from './cluster-health.ts';
import { expiredTenants } from './expired-tenants.ts';
import { orphanDatabases } from './orphan-databases.ts';
import type { Reconciler } from './reconciler.ts';
import { roleSettings } from './role-settings.ts';
import { stuckOperations } from './stuck-operations.ts';
import { warmDatabases } from './warm-databases.ts';

export const allReconcilers: readonly Reconciler[] = [
  stuckOperations,
  warmDatabases,
  orphanDatabases,
  clusterHealth,
  expiredTenants,
  roleSettings,
];
