// Owns what of a plan's limits is set on the roles of a database, and what a database in the stock has before anybody
// claims it: the limits of a plan that says nothing, so that most claims need no change.
import { type PlanLimits, planLimitsSchema } from '../../catalog/plan-limits.ts';
import type { DatabaseLimits } from '../postgres/cluster-admin.ts';

export function limitsOfPlan(limits: PlanLimits): DatabaseLimits {
  return {
    loginConnectionsMax: limits.login_connections_max,
    tempFileKibMax: limits.temp_file_kib_max,
    statementTimeoutMs: limits.statement_timeout_ms,
  };
}

export const stockLimits: DatabaseLimits = limitsOfPlan(planLimitsSchema.parse({}));

export function sameLimits(a: DatabaseLimits, b: DatabaseLimits): boolean {
  return (
    a.loginConnectionsMax === b.loginConnectionsMax &&
    a.tempFileKibMax === b.tempFileKibMax &&
    a.statementTimeoutMs === b.statementTimeoutMs
  );
}
