// Owns changes of a tenant that are no move of its state: name, labels, plan. The caller names the version the change is based on.
import { sql } from 'kysely';
import { writeAudit } from './audit.ts';
import type { Caller } from './caller.ts';
import { catalogFault } from './errors.ts';
import { writeEvent } from './events.ts';
import type { TenantId } from './ids.ts';
import type { CatalogTx } from './open-catalog.ts';
import { takePlan } from './plans.ts';
import { bringRunForward, roleSettingsName } from './reconcilers.ts';
import { lockTenant } from './tenants.ts';

export type TenantChange = {
  name?: string | undefined;
  labels?: Readonly<Record<string, string>> | undefined;
  planId?: string | undefined;
};

/** Too late to change what is about to be gone. */
const unchangeable = new Set(['purging', 'purged']);

/** @throws Fault tenant_not_found | stale_version | wrong_state | plan_not_found | plan_exhausted */
export async function updateTenant(
  tx: CatalogTx,
  id: TenantId,
  version: number,
  change: TenantChange,
  caller: Caller,
): Promise<void> {
  const before = await lockTenant(tx, id);
  if (before.version !== version)
    throw catalogFault('stale_version', 'The tenant was changed meanwhile: read it again.');
  if (unchangeable.has(before.state)) {
    throw catalogFault('wrong_state', `The tenant is ${before.state} and cannot be changed any more.`, {
      extra: { state: before.state, possible: [] },
    });
  }
  const movesPlan = change.planId !== undefined && change.planId !== before.plan_id;
  if (movesPlan) await takePlan(tx, change.planId as string);
  await tx
    .updateTable('tenants')
    .set({
      ...(change.name !== undefined && { name: change.name }),
      ...(change.labels !== undefined && { labels: JSON.stringify(change.labels) }),
      // The plan's limits are part of the route: the runtimes must hear of it.
      ...(movesPlan && { plan_id: change.planId as string, generation: sql`generation + 1` }),
      version: before.version + 1,
      updated_at: sql`now()`,
    })
    .where('id', '=', id)
    .execute();
  if (movesPlan) await bringRunForward(tx, roleSettingsName);
  const detail = { ...change, ...(movesPlan && { plan_before: before.plan_id }) };
  await writeAudit(tx, caller, { action: 'tenant.update', targetType: 'tenant', targetId: id, detail });
  await writeEvent(tx, { type: 'tenant.updated.v1', tenantId: id, payload: { changed: Object.keys(change) } });
}
