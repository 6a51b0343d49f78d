// Owns beginning a failed operation again, under the same id. A provisioning takes its tenant back to 'provisioning'.
import { writeAudit } from '../../../catalog/audit.ts';
import type { Caller } from '../../../catalog/caller.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import type { OperationId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { lockOperation, type OperationRow, refuseIfBusy, reopenOperation } from '../../../catalog/operations.ts';
import { movesFrom } from '../../../catalog/tenant-states.ts';
import { lockTenant, moveTenant } from '../../../catalog/tenants.ts';
import { definitionOf } from '../definitions.ts';

/** @throws Fault operation_not_found | not_retryable | operation_in_progress */
export function retryOperation(catalog: CatalogDb, id: OperationId, caller: Caller): Promise<OperationRow> {
  return catalog.transaction().execute(async (tx) => {
    // Tenant before operation, as every start and every run does it: two of them cannot wait for each other.
    const { tenant_id: tenantId } = await tx
      .selectFrom('operations')
      .select('tenant_id')
      .where('id', '=', id)
      .executeTakeFirst()
      .then((row) => row ?? { tenant_id: null });
    const tenant = tenantId === null ? undefined : await lockTenant(tx, tenantId);
    const operation = await lockOperation(tx, id);
    const retried = operation.state === 'failed' || operation.state === 'cancelled';
    if (!retried)
      throw catalogFault('not_retryable', `The operation is ${operation.state}; only a failed one can be retried.`);
    definitionOf(operation.kind);
    if (tenant !== undefined) {
      await refuseIfBusy(tx, tenant.id);
      if (operation.kind !== 'provision-tenant' || !movesFrom(tenant.state).includes('retry')) {
        throw catalogFault('not_retryable', `The tenant is ${tenant.state} now; ask for what you want of it instead.`);
      }
      await moveTenant(tx, tenant, 'retry');
    }
    await writeAudit(tx, caller, { action: 'operation.retry', targetType: 'operation', targetId: id, operationId: id });
    return reopenOperation(tx, id);
  });
}
