// Owns the rows of scratch databases: made to be looked at and dropped. While the lease runs nobody takes them for left behind.
import { sql } from 'kysely';
import { insertDatabase, type NewDatabase } from './databases.ts';
import type { ClusterId, DatabaseId } from './ids.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';

type NewScratch = Pick<NewDatabase, 'id' | 'clusterId' | 'secrets'> & { cloneOf: DatabaseId | null };

/** The slot of the cluster is the caller's business. */
export async function insertScratch(tx: CatalogTx, scratch: NewScratch, leaseMs: number): Promise<void> {
  await insertDatabase(tx, { ...scratch, tenantId: null, state: 'creating' });
  await extendScratch(tx, scratch.id, leaseMs);
  if (scratch.cloneOf === null) return;
  await tx.updateTable('databases').set({ clone_of: scratch.cloneOf }).where('id', '=', scratch.id).execute();
}

export async function extendScratch(db: CatalogDb | CatalogTx, id: DatabaseId, leaseMs: number): Promise<void> {
  await db
    .updateTable('databases')
    .set({ scratch_until: sql<Date>`clock_timestamp() + ${leaseMs} * interval '1 millisecond'` })
    .where('id', '=', id)
    .where('state', '=', 'creating')
    .execute();
}

/** The one with the most room among healthy clusters of this major version; one that is nearly full has tenants to think of. */
export async function clusterForScratch(db: CatalogDb, serverMajor: number): Promise<ClusterId | undefined> {
  const { rows } = await sql<{ id: ClusterId }>`
    select id from clusters where state = 'active' and health = 'healthy' and server_version_num / 10000 = ${serverMajor}
      and databases_used < capacity
    order by capacity - databases_used desc, id limit 1`.execute(db);
  return rows[0]?.id;
}
