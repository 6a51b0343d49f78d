// Owns audit entries: written in the transaction of the change they tell of, so neither exists without the other; read in pages.
import type { Selectable } from 'kysely';
import type { Caller } from './caller.ts';
import type { OperationId } from './ids.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
import type { AuditEntriesTable } from './schema.ts';

export type AuditEntry = {
  /** resource.verb, as 'tenant.create'. */
  action: string;
  targetType:
    | 'tenant'
    | 'cluster'
    | 'database'
    | 'operation'
    | 'plan'
    | 'api_key'
    | 'signing_key'
    | 'installation'
    | 'rollout'
    | 'release'
    | 'target_group';
  targetId?: string;
  operationId?: OperationId;
  /** Never a secret; names of people's things only where the change is about them. */
  detail?: Record<string, unknown>;
};

export async function writeAudit(tx: CatalogTx, caller: Caller, entry: AuditEntry): Promise<void> {
  await tx
    .insertInto('audit_entries')
    .values({
      actor: caller.actor,
      actor_role: caller.role,
      action: entry.action,
      target_type: entry.targetType,
      target_id: entry.targetId ?? null,
      request_id: caller.requestId ?? null,
      operation_id: entry.operationId ?? null,
      detail: JSON.stringify(entry.detail ?? {}),
    })
    .execute();
}

export type AuditRow = Selectable<AuditEntriesTable>;

export type AuditFilter = {
  target_id?: string | undefined;
  actor?: string | undefined;
  action?: string | undefined;
};

export async function listAudit(
  db: CatalogDb,
  filter: AuditFilter,
  page: { after: string | undefined; limit: number },
): Promise<AuditRow[]> {
  let query = db.selectFrom('audit_entries').selectAll().orderBy('seq', 'desc').limit(page.limit);
  if (filter.target_id !== undefined) query = query.where('target_id', '=', filter.target_id);
  if (filter.actor !== undefined) query = query.where('actor', '=', filter.actor);
  if (filter.action !== undefined) query = query.where('action', '=', filter.action);
  if (page.after !== undefined) query = query.where('seq', '<', page.after);
  return await query.execute();
}
