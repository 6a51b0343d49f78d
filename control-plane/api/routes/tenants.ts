// Owns tenants as a resource: create, list, read, change. What moves their state is in tenant-moves.ts.
import { z } from '@hono/zod-openapi';
import { catalogFault } from '../../../catalog/errors.ts';
import { isId } from '../../../catalog/ids.ts';
import { slugSchema } from '../../../catalog/slug.ts';
import { tenantStates } from '../../../catalog/tenant-states.ts';
import { findTenantWithDatabase, listTenants } from '../../../catalog/tenants.ts';
import { updateTenant } from '../../../catalog/update-tenant.ts';
import { startProvisionTenant } from '../../operations/start/start-provision-tenant.ts';
import { answerOperation, preferHeader, startAnswers } from '../answer-operation.ts';
import { etagOf, expectedVersion, ifMatchHeaders } from '../etag.ts';
import { idempotencyHeader, idempotencyOf } from '../idempotency-key.ts';
import { idParam, labelFilter, labelsSchema, plainText, planIdSchema, regionSchema } from '../input-shapes.ts';
import { answerPage, pageQuery, pageSchema } from '../page.ts';
import { presentTenant, tenantSchema } from '../present/tenant.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

const tag = 'Tenants';

export const newTenantSchema = z
  .strictObject({
    slug: slugSchema,
    name: plainText(200),
    region: regionSchema,
    plan: planIdSchema,
    tier: z.enum(['shared', 'dedicated']).default('shared'),
    labels: labelsSchema.default({}),
  })
  .openapi('NewTenant');

export const tenantChangeSchema = z
  .strictObject({
    name: plainText(200).optional(),
    plan: planIdSchema.optional(),
    labels: labelsSchema.optional(),
  })
  .refine((change) => Object.keys(change).length > 0, 'must change something')
  .openapi('TenantChange');

export const tenantRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'post',
      path: '/v1/tenants',
      operationId: 'createTenant',
      tag,
      summary: 'Create a tenant with a database of its own',
      description:
        'Region is a constraint: a tenant is never placed elsewhere. Repeating the request with the same Idempotency-Key and body gives the same tenant.',
      access: ['sales', 'operator', 'owner'],
      audit: 'tenant.create',
      headers: z.object({
        ...preferHeader,
        ...idempotencyHeader('Required. New for each tenant that is meant.'),
      }),
      body: newTenantSchema,
      answers: withReplayed(startAnswers(201)),
      faults: [
        'idempotency_key_required',
        'idempotency_key_reused',
        'idempotency_in_flight',
        'slug_taken',
        'unknown_region',
        'no_capacity',
        'plan_not_found',
        'plan_exhausted',
      ],
    },
    async (deps, request) => {
      const { body, caller, headers } = request;
      const idempotency = idempotencyOf(headers, body);
      const { plan: planId, ...rest } = body;
      const { tenant, operation, replayed } = await startProvisionTenant(
        deps.db,
        { ...rest, planId },
        caller,
        idempotency,
      );
      return await answerOperation(deps, request, { tenantId: tenant.id, operation, doneStatus: 201, replayed });
    },
  ),
  defineRoute(
    {
      method: 'get',
      path: '/v1/tenants',
      operationId: 'listTenants',
      tag,
      summary: 'List tenants, newest first',
      access: ['viewer', 'sales', 'operator', 'dba', 'owner'],
      query: z.object({
        ...pageQuery,
        state: z.enum(tenantStates).optional(),
        region: regionSchema.optional(),
        plan: planIdSchema.optional(),
        slug: z
          .string()
          .regex(/^[a-z0-9-]{1,63}$/, 'must be a slug')
          .optional(),
        label: labelFilter.optional(),
      }),
      answers: { 200: { description: 'One page.', schema: pageSchema('TenantPage', tenantSchema), headers: ['Link'] } },
      faults: ['cursor_invalid'],
    },
    async (deps, request) => {
      const { state, region, plan, slug, label: labels } = request.query;
      const filter = { state, region, plan, slug, labels };
      return await answerPage(deps, request, {
        list: 'tenants',
        filter,
        read: (page) => listTenants(deps.db, filter, page),
        keyOf: (row) => row.id,
        present: presentTenant,
      });
    },
  ),
  defineRoute(
    {
      method: 'get',
      path: '/v1/tenants/{tenant}',
      operationId: 'getTenant',
      tag,
      summary: 'Read one tenant by id or slug',
      access: ['viewer', 'sales', 'operator', 'dba', 'owner'],
      params: z.object({
        tenant: z
          .string()
          .refine(
            (text) => isId('tenant', text) || /^[a-z][a-z0-9-]{1,61}[a-z0-9]$/.test(text),
            'must be a tenant id (tnt_…) or a slug',
          )
          .openapi({ description: 'The id or the slug.', example: 'acme' }),
      }),
      answers: { 200: { description: 'The tenant.', schema: tenantSchema, headers: ['ETag'] } },
      faults: ['tenant_not_found'],
    },
    async (deps, { c, params }) => {
      const row = await findTenantWithDatabase(deps.db, params.tenant);
      if (row === undefined) throw catalogFault('tenant_not_found', 'There is no tenant with this id or slug.');
      return c.json(presentTenant(row), 200, { etag: etagOf(row) });
    },
  ),
  defineRoute(
    {
      method: 'patch',
      path: '/v1/tenants/{tenant}',
      operationId: 'updateTenant',
      tag,
      summary: 'Change name, plan or labels',
      description:
        '`labels` replaces all labels. The limits of a new plan reach the runtimes with the next route they read, and the logins of the database within a minute.',
      access: ['sales', 'operator', 'owner'],
      audit: 'tenant.update',
      params: z.object({ tenant: idParam('tenant') }),
      headers: ifMatchHeaders,
      body: tenantChangeSchema,
      answers: { 200: { description: 'The tenant as it is now.', schema: tenantSchema, headers: ['ETag'] } },
      faults: [
        'tenant_not_found',
        'stale_version',
        'if_match_required',
        'wrong_state',
        'plan_not_found',
        'plan_exhausted',
      ],
    },
    async (deps, { c, params, headers, body, caller }) => {
      const version = expectedVersion(headers);
      const { plan: planId, ...rest } = body;
      const row = await deps.db.transaction().execute(async (tx) => {
        await updateTenant(tx, params.tenant, version, { ...rest, planId }, caller);
        return await findTenantWithDatabase(tx, params.tenant);
      });
      if (row === undefined) throw catalogFault('tenant_not_found', 'There is no tenant with this id or slug.');
      return c.json(presentTenant(row), 200, { etag: etagOf(row) });
    },
  ),
];

function withReplayed(answers: ReturnType<typeof startAnswers>) {
  const entries = Object.entries(answers).map(([status, answer]) => [
    status,
    { ...answer, headers: [...(answer.headers ?? []), 'Idempotent-Replayed' as const] },
  ]);
  return Object.fromEntries(entries) as typeof answers;
}
