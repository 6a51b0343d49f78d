// Owns the beginning of a tenant: one transaction that makes the tenant, its operation, the audit entry, the event and the
// Idempotency-Key together. A repeated request gets the ids of the first (P04).
import type { Caller } from '../../../catalog/caller.ts';
import { writeEvent } from '../../../catalog/events.ts';
import { claimIdempotencyKey } from '../../../catalog/idempotency.ts';
import { newId, type OperationId, type TenantId } from '../../../catalog/ids.ts';
import type { CatalogDb, CatalogTx } from '../../../catalog/open-catalog.ts';
import { findOperation, type OperationRow } from '../../../catalog/operations.ts';
import { checkPlacement } from '../../../catalog/placement.ts';
import { takePlan } from '../../../catalog/plans.ts';
import type { Tier } from '../../../catalog/schema.ts';
import { findTenant, insertTenant, type TenantRow } from '../../../catalog/tenants.ts';
import { limitsOfPlan, sameLimits, stockLimits } from '../database-limits.ts';
import { provisionTenant } from '../provision-tenant.ts';
import { beginOperation } from './begin-operation.ts';

export type ProvisionTenantInput = {
  slug: string;
  name: string;
  region: string;
  tier: Tier;
  planId: string;
  labels: Record<string, string>;
};

export type Idempotency = {
  key: string;
  /** Of the whole body: the same key with another one is refused. */
  requestHash: string;
};

export type StartedProvision = { tenant: TenantRow; operation: OperationRow; replayed: boolean };

/**
 * @throws Fault slug_taken | unknown_region | no_capacity | plan_not_found | plan_exhausted | idempotency_key_reused |
 *   idempotency_in_flight
 */
export async function startProvisionTenant(
  catalog: CatalogDb,
  input: ProvisionTenantInput,
  caller: Caller,
  idempotency?: Idempotency,
): Promise<StartedProvision> {
  const tenantId = newId('tenant');
  const operationId = newId('operation');
  return catalog.transaction().execute(async (tx) => {
    if (idempotency !== undefined) {
      const result = { tenantId, operationId };
      const first = await claimIdempotencyKey(tx, { principal: caller.actor, ...idempotency, result });
      if (first !== undefined) return replay(tx, first);
    }
    await checkPlacement(tx, input.region, input.tier);
    const plan = await takePlan(tx, input.planId);
    const limits = limitsOfPlan(plan.limits);
    const tenant = await insertTenant(tx, { id: tenantId, ...input });
    const operation = await beginOperation(tx, caller, {
      id: operationId,
      definition: provisionTenant,
      action: 'tenant.create',
      tenantId,
      input: { slug: input.slug, region: input.region, tier: input.tier, plan_id: input.planId },
      facts: { region: input.region, tier: input.tier, ...(sameLimits(limits, stockLimits) ? {} : { limits }) },
      detail: { slug: input.slug, region: input.region, tier: input.tier, plan_id: input.planId },
    });
    await writeEvent(tx, {
      type: 'tenant.created.v1',
      tenantId,
      payload: {
        slug: input.slug,
        region: input.region,
        tier: input.tier,
        plan_id: input.planId,
        operation_id: operationId,
      },
    });
    return { tenant, operation, replayed: false };
  });
}

async function replay(
  tx: CatalogTx,
  first: { tenantId: TenantId; operationId: OperationId },
): Promise<StartedProvision> {
  const tenant = await findTenant(tx, first.tenantId);
  const operation = await findOperation(tx, first.operationId);
  if (tenant === undefined || operation === undefined) throw new Error('the first request of a key has left no rows');
  return { tenant, operation, replayed: true };
}
