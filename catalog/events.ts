// Owns writing events to the outbox: in the transaction of the change, in order of seq, published by somebody else later.
import { newId, type TenantId } from './ids.ts';
import type { CatalogTx } from './open-catalog.ts';

/** A name with a version; a changed payload gets a new version, never a new meaning. */
export type EventType =
  | 'tenant.created.v1'
  | 'tenant.activated.v1'
  | 'tenant.provisioning_failed.v1'
  | 'tenant.suspended.v1'
  | 'tenant.resumed.v1'
  | 'tenant.deleted.v1'
  | 'tenant.undeleted.v1'
  | 'tenant.purged.v1'
  | 'tenant.updated.v1'
  | 'database.role_mended.v1'
  | 'database.session_ended.v1'
  | 'database.schema_drifted.v1'
  | 'cluster.registered.v1'
  | 'cluster.health_changed.v1'
  | 'release.created.v1'
  | 'rollout.awaiting_approval.v1'
  | 'rollout.started.v1'
  | 'rollout.paused.v1'
  | 'rollout.resumed.v1'
  | 'rollout.halted.v1'
  | 'rollout.aborted.v1'
  | 'rollout.finished.v1';

export type NewEvent = { type: EventType; tenantId?: TenantId; payload: Record<string, unknown> };

export async function writeEvent(tx: CatalogTx, event: NewEvent): Promise<void> {
  await tx
    .insertInto('events')
    .values({
      id: newId('event'),
      type: event.type,
      tenant_id: event.tenantId ?? null,
      payload: JSON.stringify(event.payload),
    })
    .execute();
}
