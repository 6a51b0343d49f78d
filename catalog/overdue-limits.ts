// Owns which limits of time hold in a database: those of its tenant's plan, or of a plan that says nothing while it is in stock.
import type { ClusterId, DatabaseId, TenantId } from './ids.ts';
import type { CatalogDb } from './open-catalog.ts';
import { type PlanLimits, planLimitsSchema } from './plan-limits.ts';

export type DatabaseTimes = {
  id: DatabaseId;
  name: string;
  tenantId: TenantId | null;
  limits: Pick<PlanLimits, 'statement_timeout_ms' | 'transaction_timeout_ms'>;
};

/** Of those names that the catalog knows on this cluster. */
export async function timesOf(db: CatalogDb, clusterId: ClusterId, names: readonly string[]): Promise<DatabaseTimes[]> {
  if (names.length === 0) return [];
  const rows = await db
    .selectFrom('databases as d')
    .leftJoin('tenants as t', 't.id', 'd.tenant_id')
    .leftJoin('plans as p', 'p.id', 't.plan_id')
    .select(['d.id', 'd.name', 'd.tenant_id as tenantId', 'p.limits'])
    .where('d.cluster_id', '=', clusterId)
    .where('d.name', 'in', names)
    .execute();
  return rows.map(({ limits, ...row }) => ({ ...row, limits: { ...defaults, ...limits } }));
}

/** The shortest time that any plan allows one statement. */
export async function shortestStatementMs(db: CatalogDb): Promise<number> {
  const plans = await db.selectFrom('plans').select('limits').execute();
  return Math.min(defaults.statement_timeout_ms, ...plans.map(({ limits }) => limits.statement_timeout_ms));
}

const defaults = planLimitsSchema.parse({});
