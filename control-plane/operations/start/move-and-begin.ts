// Owns what suspend, resume, delete, undelete and purge have in common at their start: lock the tenant, refuse while another
// operation holds it, make the move, begin the operation. The answer is effective when the transaction commits.
import type { Caller } from '../../../catalog/caller.ts';
import { databaseOfTenant } from '../../../catalog/databases.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import type { TenantId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { type OperationRow, refuseIfBusy } from '../../../catalog/operations.ts';
import type { TenantMove } from '../../../catalog/tenant-states.ts';
import { lockTenant, moveTenant, type TenantPatch, type TenantRow } from '../../../catalog/tenants.ts';
import type { OperationDefinition, OperationFacts } from '../operation-definition.ts';
import { beginOperation } from './begin-operation.ts';

export type StartOptions = {
  /** The version of If-Match: another one is refused as stale. */
  expectedVersion?: number;
};

export type Started = { tenant: TenantRow; operation: OperationRow };

export type MoveAndBegin = {
  definition: OperationDefinition;
  move: TenantMove;
  /** Looks at the locked row before the move; may throw a Fault. */
  check?: (tenant: TenantRow) => void;
  patch?: (tenant: TenantRow) => TenantPatch;
  facts?: (tenant: TenantRow) => OperationFacts;
  detail?: Record<string, unknown>;
};

/** @throws Fault tenant_not_found | operation_in_progress | stale_version | wrong_state */
export async function moveAndBegin(
  catalog: CatalogDb,
  tenantId: TenantId,
  caller: Caller,
  options: StartOptions,
  what: MoveAndBegin,
): Promise<Started> {
  return catalog.transaction().execute(async (tx) => {
    const before = await lockTenant(tx, tenantId);
    if (options.expectedVersion !== undefined && options.expectedVersion !== before.version) {
      throw catalogFault('stale_version', 'The tenant has changed since it was read. Read it again.');
    }
    await refuseIfBusy(tx, tenantId);
    what.check?.(before);
    const tenant = await moveTenant(tx, before, what.move, what.patch?.(before));
    const database = await databaseOfTenant(tx, tenantId);
    const operation = await beginOperation(tx, caller, {
      definition: what.definition,
      action: `tenant.${what.move}`,
      tenantId,
      ...(database === undefined ? {} : { databaseId: database.id }),
      facts: {
        ...(database === undefined ? {} : { databaseId: database.id, clusterId: database.cluster_id }),
        ...what.facts?.(before),
      },
      ...(what.detail === undefined ? {} : { detail: what.detail }),
    });
    return { tenant, operation };
  });
}
