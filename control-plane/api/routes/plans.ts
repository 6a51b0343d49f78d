// Owns plans as a resource. A plan that tenants hold is retired, never deleted.
import { z } from '@hono/zod-openapi';
import { planLimitsSchema } from '../../../catalog/plan-limits.ts';
import { findPlan, insertPlan, listPlans, updatePlan } from '../../../catalog/plans.ts';
import { etagOf, expectedVersion, ifMatchHeaders } from '../etag.ts';
import { plainText, planIdSchema } from '../input-shapes.ts';
import { answerPage, pageQuery, pageSchema } from '../page.ts';
import { planSchema, presentPlan } from '../present/plan.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

const tag = 'Plans';
const everybody = ['viewer', 'sales', 'operator', 'dba', 'owner'] as const;
const planParams = z.object({ plan: planIdSchema });
const tenantsMax = z.int().min(0).max(1_000_000_000).nullable();

export const newPlanSchema = z
  .strictObject({
    id: planIdSchema,
    title: plainText(200),
    limits: planLimitsSchema,
    tenants_max: tenantsMax.default(null),
  })
  .openapi('NewPlan');

export const planChangeSchema = z
  .strictObject({
    title: plainText(200).optional(),
    limits: planLimitsSchema.optional(),
    tenants_max: tenantsMax.optional(),
    state: z.enum(['active', 'retired']).optional(),
  })
  .refine((change) => Object.keys(change).length > 0, 'must change something')
  .openapi('PlanChange');

export const planRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'get',
      path: '/v1/plans',
      operationId: 'listPlans',
      tag,
      summary: 'List plans by id',
      access: everybody,
      query: z.object(pageQuery),
      answers: { 200: { description: 'One page.', schema: pageSchema('PlanPage', planSchema), headers: ['Link'] } },
      faults: ['cursor_invalid'],
    },
    async (deps, request) =>
      await answerPage(deps, request, {
        list: 'plans',
        filter: {},
        read: (page) => listPlans(deps.db, page),
        keyOf: (row) => row.id,
        present: presentPlan,
      }),
  ),
  defineRoute(
    {
      method: 'get',
      path: '/v1/plans/{plan}',
      operationId: 'getPlan',
      tag,
      summary: 'Read one plan',
      access: everybody,
      params: planParams,
      answers: { 200: { description: 'The plan.', schema: planSchema, headers: ['ETag'] } },
      faults: ['plan_not_found'],
    },
    async (deps, { c, params }) => {
      const row = await findPlan(deps.db, params.plan);
      return c.json(presentPlan(row), 200, { etag: etagOf(row) });
    },
  ),
  defineRoute(
    {
      method: 'post',
      path: '/v1/plans',
      operationId: 'createPlan',
      tag,
      summary: 'Add a plan',
      access: ['owner'],
      audit: 'plan.create',
      body: newPlanSchema,
      answers: { 201: { description: 'The plan.', schema: planSchema, headers: ['Location', 'ETag'] } },
      faults: ['name_taken'],
    },
    async (deps, { c, body, caller }) => {
      const row = await deps.db.transaction().execute((tx) => insertPlan(tx, body, caller));
      return c.json(presentPlan(row), 201, { location: `/v1/plans/${row.id}`, etag: etagOf(row) });
    },
  ),
  defineRoute(
    {
      method: 'patch',
      path: '/v1/plans/{plan}',
      operationId: 'updatePlan',
      tag,
      summary: 'Change title, limits, number of tenants or state',
      description:
        '`limits` replaces all limits; what is left out gets its default. They reach the runtimes of all its tenants at once and the logins of their databases within a minute. A retired plan takes no new tenants.',
      access: ['owner'],
      audit: 'plan.update',
      params: planParams,
      headers: ifMatchHeaders,
      body: planChangeSchema,
      answers: { 200: { description: 'The plan as it is now.', schema: planSchema, headers: ['ETag'] } },
      faults: ['plan_not_found', 'stale_version', 'if_match_required'],
    },
    async (deps, { c, params, headers, body, caller }) => {
      const version = expectedVersion(headers);
      const row = await deps.db.transaction().execute((tx) => updatePlan(tx, params.plan, version, body, caller));
      return c.json(presentPlan(row), 200, { etag: etagOf(row) });
    },
  ),
];
