// Owns the queries on plans: the plans a new installation starts with, the one race-free count of their tenants, and plans as an
// owner edits them. Limits reach the runtimes with the routes of its tenants, and the roles by the reconciler role-settings.
import { isDeepStrictEqual } from 'node:util';
import { type Selectable, sql } from 'kysely';
import { isUniqueViolation } from '../platform/postgres/errors.ts';
import { writeAudit } from './audit.ts';
import type { Caller } from './caller.ts';
import { catalogFault } from './errors.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
import { defaultPlans, type PlanLimits } from './plan-limits.ts';
import { bringRunForward, roleSettingsName } from './reconcilers.ts';
import type { PlansTable } from './schema.ts';

export type PlanRow = Selectable<PlansTable>;

/** Adds the default plans that are not there; never changes one that is. */
export async function seedPlans(db: CatalogDb): Promise<void> {
  await db
    .insertInto('plans')
    .values(defaultPlans.map(({ id, title, limits }) => ({ id, title, limits: JSON.stringify(limits) })))
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
}

/**
 * The plan, with room for one more tenant of it until the transaction ends.
 * @throws Fault plan_not_found | plan_exhausted
 */
export async function takePlan(tx: CatalogTx, planId: string): Promise<PlanRow> {
  // A plan without a limit is only kept from changing, so that its tenants are made side by side.
  const unlimited = await activePlan(tx, planId).where('tenants_max', 'is', null).forShare().executeTakeFirst();
  if (unlimited !== undefined) return unlimited;
  const plan = await activePlan(tx, planId).forUpdate().executeTakeFirst();
  if (plan === undefined) throw catalogFault('plan_not_found', `There is no active plan ${planId}.`);
  if (plan.tenants_max === null) return plan;
  const { held } = await tx
    .selectFrom('tenants')
    .select(sql<number>`count(*)::integer`.as('held'))
    .where('plan_id', '=', planId)
    .where('state', '<>', 'purged')
    .executeTakeFirstOrThrow();
  if (held >= plan.tenants_max) {
    throw catalogFault('plan_exhausted', `The plan ${planId} has no tenant left of its ${plan.tenants_max}.`);
  }
  return plan;
}

function activePlan(tx: CatalogTx, planId: string) {
  return tx.selectFrom('plans').selectAll().where('id', '=', planId).where('state', '=', 'active');
}

export type PlanChange = {
  title?: string | undefined;
  limits?: PlanLimits | undefined;
  tenants_max?: number | null | undefined;
  state?: 'active' | 'retired' | undefined;
};

/** By id, ascending: plans are few and people know them by name. */
export async function listPlans(db: CatalogDb, page: { after: string | undefined; limit: number }): Promise<PlanRow[]> {
  let query = db.selectFrom('plans').selectAll().orderBy('id').limit(page.limit);
  if (page.after !== undefined) query = query.where('id', '>', page.after);
  return await query.execute();
}

/** @throws Fault plan_not_found */
export async function findPlan(db: CatalogDb, id: string): Promise<PlanRow> {
  const row = await db.selectFrom('plans').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw planNotFound();
  return row;
}

/** @throws Fault name_taken */
export async function insertPlan(
  tx: CatalogTx,
  plan: { id: string; title: string; limits: PlanLimits; tenants_max: number | null },
  caller: Caller,
): Promise<PlanRow> {
  const row = await tx
    .insertInto('plans')
    .values({ ...plan, limits: JSON.stringify(plan.limits) })
    .returningAll()
    .executeTakeFirstOrThrow()
    .catch((error: unknown) => {
      throw isUniqueViolation(error) ? catalogFault('name_taken', 'There is a plan with this id already.') : error;
    });
  await writeAudit(tx, caller, { action: 'plan.create', targetType: 'plan', targetId: plan.id, detail: { ...plan } });
  return row;
}

/** @throws Fault plan_not_found | stale_version */
export async function updatePlan(
  tx: CatalogTx,
  id: string,
  version: number,
  change: PlanChange,
  caller: Caller,
): Promise<PlanRow> {
  const before = await tx.selectFrom('plans').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
  if (before === undefined) throw planNotFound();
  if (before.version !== version) throw catalogFault('stale_version', 'The plan was changed meanwhile: read it again.');
  const row = await tx
    .updateTable('plans')
    .set({
      ...(change.title !== undefined && { title: change.title }),
      ...(change.limits !== undefined && { limits: JSON.stringify(change.limits) }),
      ...(change.tenants_max !== undefined && { tenants_max: change.tenants_max }),
      ...(change.state !== undefined && { state: change.state }),
      version: before.version + 1,
      updated_at: sql`now()`,
    })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
  if (change.limits !== undefined && !isDeepStrictEqual(change.limits, before.limits)) await tellOfLimits(tx, id);
  await writeAudit(tx, caller, { action: 'plan.update', targetType: 'plan', targetId: id, detail: { ...change } });
  return row;
}

/** Limits are part of the route: each tenant's runtimes are told by its generation. Its version stays: nobody's edit is stale. */
async function tellOfLimits(tx: CatalogTx, id: string): Promise<void> {
  await tx
    .updateTable('tenants')
    .set({ generation: sql`generation + 1` })
    .where('plan_id', '=', id)
    .where('state', '<>', 'purged')
    .execute();
  await bringRunForward(tx, roleSettingsName);
}

function planNotFound() {
  return catalogFault('plan_not_found', 'There is no such plan.');
}
