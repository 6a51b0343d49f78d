// Owns how every operation begins: the operation row and its audit entry, in the transaction of the change that asks for it.
import { writeAudit } from '../../../catalog/audit.ts';
import type { Caller } from '../../../catalog/caller.ts';
import { type DatabaseId, newId, type OperationId, type TenantId } from '../../../catalog/ids.ts';
import type { CatalogTx } from '../../../catalog/open-catalog.ts';
import { insertOperation, type OperationRow } from '../../../catalog/operations.ts';
import type { OperationDefinition, OperationFacts } from '../operation-definition.ts';

export type Beginning = {
  id?: OperationId;
  definition: OperationDefinition;
  /** The audit entry's verb, as 'tenant.suspend'. */
  action: string;
  tenantId?: TenantId;
  databaseId?: DatabaseId;
  input?: Record<string, unknown>;
  facts?: OperationFacts;
  detail?: Record<string, unknown>;
};

export async function beginOperation(tx: CatalogTx, caller: Caller, beginning: Beginning): Promise<OperationRow> {
  const { definition, tenantId, databaseId, facts = {} } = beginning;
  const operation = await insertOperation(tx, {
    id: beginning.id ?? newId('operation'),
    kind: definition.kind,
    lane: definition.lane,
    stepsTotal: definition.steps.filter((step) => step.applies?.(facts) ?? true).length,
    tenantId,
    databaseId,
    input: beginning.input ?? {},
    facts,
    actor: caller.actor,
    requestId: caller.requestId,
  });
  const target = tenantId ?? databaseId;
  await writeAudit(tx, caller, {
    action: beginning.action,
    targetType: tenantId !== undefined ? 'tenant' : 'database',
    ...(target === undefined ? {} : { targetId: target }),
    operationId: operation.id,
    ...(beginning.detail === undefined ? {} : { detail: beginning.detail }),
  });
  return operation;
}
