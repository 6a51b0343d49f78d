// Owns the list of everything the admin API answers. A file in routes/ that is not here does not exist for anybody.

import type { AdminRoute } from './route.ts';
import { apiKeyRoutes } from './routes/api-keys.ts';
import { auditRoutes } from './routes/audit.ts';
import { clusterRoutes } from './routes/clusters.ts';
import { docsRoutes } from './routes/docs.ts';
import { fleetDriftRoutes } from './routes/fleet-drift.ts';
import { fleetDryRunRoutes } from './routes/fleet-dry-runs.ts';
import { fleetQueryRoutes } from './routes/fleet-query.ts';
import { fleetStatusRoutes } from './routes/fleet-status.ts';
import { healthRoutes } from './routes/health.ts';
import { installationRoutes } from './routes/installation.ts';
import { operationEventRoutes } from './routes/operation-events.ts';
import { operationRoutes } from './routes/operations.ts';
import { planRoutes } from './routes/plans.ts';
import { releaseRoutes } from './routes/releases.ts';
import { rolloutChangeRoutes } from './routes/rollout-changes.ts';
import { rolloutEventRoutes } from './routes/rollout-events.ts';
import { rolloutMemberRoutes } from './routes/rollout-members.ts';
import { rolloutPlanRoutes } from './routes/rollout-plans.ts';
import { rolloutRoutes } from './routes/rollouts.ts';
import { signingKeyRoutes } from './routes/signing-keys.ts';
import { targetGroupRoutes } from './routes/target-groups.ts';
import { tenantMoveRoutes } from './routes/tenant-moves.ts';
import { tenantTokenRoutes } from './routes/tenant-tokens.ts';
import { tenantRoutes } from './routes/tenants.ts';

export const adminRoutes: readonly AdminRoute[] = [
  ...tenantRoutes,
  ...tenantMoveRoutes,
  ...tenantTokenRoutes,
  ...clusterRoutes,
  ...planRoutes,
  ...releaseRoutes,
  ...operationRoutes,
  ...operationEventRoutes,
  ...fleetStatusRoutes,
  ...fleetQueryRoutes,
  ...targetGroupRoutes,
  ...rolloutPlanRoutes,
  ...rolloutRoutes,
  ...rolloutChangeRoutes,
  ...rolloutMemberRoutes,
  ...rolloutEventRoutes,
  ...fleetDriftRoutes,
  ...fleetDryRunRoutes,
  ...apiKeyRoutes,
  ...signingKeyRoutes,
  ...auditRoutes,
  ...installationRoutes,
  ...healthRoutes,
  ...docsRoutes,
];
