// Owns the beginning of one more database for the stock of a cluster. The slot is reserved by the operation's first step.
import type { Caller } from '../../../catalog/caller.ts';
import type { ClusterId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import type { OperationRow } from '../../../catalog/operations.ts';
import { createDatabase } from '../create-database.ts';
import { beginOperation } from './begin-operation.ts';

export function startCreateDatabase(catalog: CatalogDb, clusterId: ClusterId, caller: Caller): Promise<OperationRow> {
  return catalog.transaction().execute((tx) =>
    beginOperation(tx, caller, {
      definition: createDatabase,
      action: 'database.create',
      input: { cluster_id: clusterId },
      facts: { clusterId },
      detail: { cluster_id: clusterId },
    }),
  );
}
