// Owns taking in what bears our mark on a cluster and has no row in the catalog: it gets a row that is retiring, with new
// passwords, and drop-database looks into it before anything is dropped.
import type { Caller } from '../../../catalog/caller.ts';
import { insertDatabase } from '../../../catalog/databases.ts';
import type { ClusterId, DatabaseId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import type { OperationRow } from '../../../catalog/operations.ts';
import { countSlot } from '../../../catalog/placement.ts';
import type { Sealer } from '../../../platform/sealing.ts';
import { sealPasswords } from '../seal-passwords.ts';
import { startDropDatabase } from './start-drop-database.ts';

export function startAdoptOrphan(
  catalog: CatalogDb,
  sealer: Sealer,
  orphan: { databaseId: DatabaseId; clusterId: ClusterId },
  caller: Caller,
): Promise<OperationRow> {
  const { databaseId, clusterId } = orphan;
  return catalog.transaction().execute(async (tx) => {
    await countSlot(tx, clusterId);
    const secrets = sealPasswords(sealer, databaseId);
    await insertDatabase(tx, { id: databaseId, clusterId, tenantId: null, state: 'retiring', secrets });
    return startDropDatabase(tx, { id: databaseId, cluster_id: clusterId }, caller, 'found without a row', {
      adopted: true,
    });
  });
}
