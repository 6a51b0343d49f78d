// Owns the rows that a provisioning leaves in the catalog, as bare SQL: the same rows as the product's, in two transactions of
// one message each way, without engine, lease or queue. What the bare sides of the bench have in common.
import { type DatabaseId, newId, type OperationId, type TenantId } from '../../../catalog/ids.ts';
import type { Session } from '../../../platform/postgres/session.ts';

export type BareTenant = { tenantId: TenantId; operationId: OperationId; slug: string; region: string };

export function newBareTenant(slug: string, region: string): BareTenant {
  return { tenantId: newId('tenant'), operationId: newId('operation'), slug, region };
}

/** Key, tenant, operation, audit entry, event; in the transaction of the caller. */
export async function insertTenantRows(
  catalog: Session,
  { tenantId, operationId, slug, region }: BareTenant,
  stepsTotal: number,
): Promise<void> {
  await catalog.query(
    `with key as (insert into idempotency_keys (principal, key, request_hash, tenant_id, operation_id, expires_at)
        values ('bench', $3, 'none', $1, $2, now() + interval '1 day')),
      tenant as (insert into tenants (id, slug, name, region, tier, plan_id, state, labels)
        values ($1, $3, $3, $4, 'shared', 'team', 'provisioning', '{}') returning id),
      operation as (insert into operations (id, kind, state, tenant_id, lane, steps_total, actor, facts)
        select $2, 'provision-tenant', 'running', id, 'foreground', $6, 'bench', jsonb_build_object('region', $4) from tenant),
      entry as (insert into audit_entries (actor, action, target_type, target_id, operation_id, detail)
        values ('bench', 'tenant.create', 'tenant', $1, $2, jsonb_build_object('slug', $3)))
      insert into events (id, type, tenant_id, payload)
        values ($5, 'tenant.created.v1', $1, jsonb_build_object('slug', $3, 'operation_id', $2))`.replaceAll(
      /\$([1-5])/g,
      '$$$1::text',
    ),
    [tenantId, operationId, slug, region, newId('event'), stepsTotal],
  );
}

/** Database, tenant, operation with its steps, event: one transaction, one statement. */
export async function activate(
  catalog: Session,
  { tenantId, operationId, slug }: BareTenant,
  databaseId: DatabaseId,
  steps: readonly string[],
): Promise<void> {
  await catalog.query(
    `with database as (update databases set state = 'claimed', claimed_at = coalesce(claimed_at, now()), version = version + 1
        where id = $3::text),
      tenant as (update tenants set state = 'active', generation = generation + 1, version = version + 1, updated_at = now()
        where id = $1::text),
      operation as (update operations set state = 'succeeded', database_id = $3::text, steps_done = steps_total,
        finished_at = now() where id = $2::text),
      steps as (insert into operation_steps (operation_id, position, name, state, attempts, fence, finished_at)
        select $2::text, position - 1, name, 'done', 1, 1, now()
        from unnest($6::text[]) with ordinality as step (name, position))
      insert into events (id, type, tenant_id, payload)
        values ($5::text, 'tenant.activated.v1', $1::text, jsonb_build_object('slug', $4::text))`,
    [tenantId, operationId, databaseId, slug, newId('event'), `{${steps.join(',')}}`],
  );
}
