// Owns the list of all reconcilers.
import { clusterHealth } from './cluster-health.ts';
import { connectionShares } from './connection-shares.ts';
import { expiredTenants } from './expired-tenants.ts';
import { orphanDatabases } from './orphan-databases.ts';
import { overdueSessions } from './overdue-sessions.ts';
import type { Reconciler } from './reconciler.ts';
import { roleSettings } from './role-settings.ts';
import { stuckOperations } from './stuck-operations.ts';
import { warmDatabases } from './warm-databases.ts';

export const allReconcilers: readonly Reconciler[] = [
  stuckOperations,
  warmDatabases,
  orphanDatabases,
  clusterHealth,
  connectionShares(),
  overdueSessions,
  expiredTenants,
  roleSettings,
];
