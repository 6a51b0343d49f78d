// Owns the beginning of the end of a database that nobody uses: the row is retired and the operation drops what is there.
import type { Caller } from '../../../catalog/caller.ts';
import { type DatabaseRow, retireDatabase } from '../../../catalog/databases.ts';
import type { CatalogTx } from '../../../catalog/open-catalog.ts';
import type { OperationRow } from '../../../catalog/operations.ts';
import { dropDatabase } from '../drop-database.ts';
import type { OperationFacts } from '../operation-definition.ts';
import { beginOperation } from './begin-operation.ts';

/** Inside the transaction of whoever gives the database up. */
export async function startDropDatabase(
  tx: CatalogTx,
  database: Pick<DatabaseRow, 'id' | 'cluster_id'>,
  caller: Caller,
  reason: string,
  facts: Pick<OperationFacts, 'adopted'> = {},
): Promise<OperationRow> {
  await retireDatabase(tx, database.id);
  return beginOperation(tx, caller, {
    definition: dropDatabase,
    action: 'database.drop',
    databaseId: database.id,
    input: { reason },
    facts: { ...facts, databaseId: database.id, clusterId: database.cluster_id },
    detail: { reason, cluster_id: database.cluster_id },
  });
}
