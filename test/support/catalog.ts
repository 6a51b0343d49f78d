// Owns the catalog databases of tests: one template, migrated once per run, cloned per test file.
import { migrateCatalog } from '../../catalog/migrate.ts';
import { createScratchDatabase, type ScratchDatabase, systemCluster } from './clusters.ts';
import type { ServerAddress } from './server-address.ts';
import { superuserSql } from './superuser-sql.ts';

const templateName = 'catalog_template';

/** A migrated catalog of its own for one test file, on the system cluster, as the superuser. Drop it in afterAll. */
export function createCatalog(): Promise<ScratchDatabase> {
  return createScratchDatabase(systemCluster(), { template: templateName });
}

/** Called once by global-setup.ts. Closed afterwards: a template with a session in it cannot be cloned. */
export async function buildCatalogTemplate(system: ServerAddress): Promise<void> {
  await superuserSql(system, `CREATE DATABASE ${templateName} TEMPLATE template0`);
  await migrateCatalog({ ...system, database: templateName });
  await superuserSql(system, `ALTER DATABASE ${templateName} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false`);
}
