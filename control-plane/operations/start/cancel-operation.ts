// Owns asking an operation to stop. The run notices between two steps, undoes what was done and ends as cancelled.
import { writeAudit } from '../../../catalog/audit.ts';
import type { Caller } from '../../../catalog/caller.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import type { OperationId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { lockOperation, type OperationRow, requestCancel } from '../../../catalog/operations.ts';
import { definitionOf } from '../definitions.ts';

/** @throws Fault operation_not_found | not_cancellable */
export function cancelOperation(catalog: CatalogDb, id: OperationId, caller: Caller): Promise<OperationRow> {
  return catalog.transaction().execute(async (tx) => {
    const operation = await lockOperation(tx, id);
    const unfinished = operation.state === 'pending' || operation.state === 'running';
    if (!unfinished)
      throw catalogFault('not_cancellable', `The operation is ${operation.state}; there is nothing to cancel.`);
    if (definitionOf(operation.kind).onFailure !== 'undo') {
      throw catalogFault('not_cancellable', `An operation of kind ${operation.kind} only goes forward.`);
    }
    await writeAudit(tx, caller, {
      action: 'operation.cancel',
      targetType: 'operation',
      targetId: id,
      operationId: id,
    });
    return requestCancel(tx, id);
  });
}
