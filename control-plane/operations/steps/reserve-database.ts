// Owns the row of a new database: its slot, its id and its sealed passwords, all in the catalog before anything of it exists
// on a cluster. Giving it up retires the row and lets drop-database remove whatever was made, in the background: so the end
// of a failed provisioning never waits for the cluster that made it fail.
import { systemCaller } from '../../../catalog/caller.ts';
import { insertDatabase } from '../../../catalog/databases.ts';
import { type ClusterId, newId } from '../../../catalog/ids.ts';
import type { CatalogTx } from '../../../catalog/open-catalog.ts';
import { reserveSlotOn } from '../../../catalog/placement.ts';
import type { CatalogStep, StepContext } from '../operation-definition.ts';
import { sealPasswords } from '../seal-passwords.ts';
import { startDropDatabase } from '../start/start-drop-database.ts';
import { clusterIdOf, databaseIdOf } from './database-of.ts';

/** For the stock of one cluster. */
export const reserveDatabase: CatalogStep = {
  name: 'reserve-database',
  async commit(context, tx) {
    const clusterId = clusterIdOf(context);
    await reserveSlotOn(tx, clusterId);
    await insertReserved(context, tx, clusterId);
  },
  // The row is retired when the operation ends: a database has one unfinished operation at a time.
  async undo() {},
};

/** The slot is taken; the row, the secrets and the facts follow. */
export async function insertReserved(context: StepContext, tx: CatalogTx, clusterId: ClusterId): Promise<void> {
  const id = newId('database');
  const secrets = sealPasswords(context.deps.sealer, id);
  await insertDatabase(tx, { id, clusterId, tenantId: context.operation.tenant_id, state: 'creating', secrets });
  context.facts.databaseId = id;
  context.facts.clusterId = clusterId;
}

export async function giveDatabaseUp(context: StepContext, tx: CatalogTx): Promise<void> {
  const database = { id: databaseIdOf(context), cluster_id: clusterIdOf(context) };
  const operation = await startDropDatabase(tx, database, systemCaller('undo'), `given up by ${context.operation.id}`);
  context.wakeLater(operation.id, operation.lane);
}
