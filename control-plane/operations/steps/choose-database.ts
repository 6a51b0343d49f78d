// Owns where a tenant's database comes from: a warm one of the stock, else a slot on the least loaded cluster and the row of
// a new database. One transaction with its own record, so a tenant never gets two.
import { returnToStock } from '../../../catalog/databases.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import { claimWarmDatabase, reserveSlotAnywhere, suspectCluster } from '../../../catalog/placement.ts';
import type { CatalogStep, OperationFacts } from '../operation-definition.ts';
import { clusterIdOf, databaseIdOf, tenantIdOf } from './database-of.ts';
import { giveDatabaseUp, insertReserved } from './reserve-database.ts';

export const chooseDatabase: CatalogStep = {
  name: 'choose-database',
  async commit(context, tx) {
    const where = whereOf(context.facts);
    const warm = await claimWarmDatabase(tx, tenantIdOf(context), where, context.deps.databases.ready());
    if (warm === undefined) {
      await insertReserved(context, tx, await reserveSlotAnywhere(tx, where));
      return;
    }
    context.facts.warm = true;
    context.facts.databaseId = warm.id;
    context.facts.clusterId = warm.cluster_id;
  },
  async undo(context, tx) {
    const { facts } = context;
    if (facts.warm && !facts.spoiled) await returnToStock(tx, databaseIdOf(context));
    else await giveDatabaseUp(context, tx);
    facts.failedOn = clusterIdOf(context);
    if (context.failure?.code === 'cluster_unreachable') await suspectCluster(tx, facts.failedOn);
    delete facts.databaseId;
    delete facts.clusterId;
    delete facts.warm;
    delete facts.spoiled;
    delete facts.lanes;
  },
};

function whereOf({ region, tier, avoid = [] }: OperationFacts) {
  if (region === undefined || tier === undefined) {
    throw catalogFault('database_incomplete', 'The operation does not say where its tenant belongs.');
  }
  return { region, tier, avoid };
}
