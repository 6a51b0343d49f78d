// Owns finding rows of databases that nobody takes care of, and counting the slots anew.
import { sql } from 'kysely';
import type { ClusterId, DatabaseId } from './ids.ts';
import type { CatalogDb } from './open-catalog.ts';

export type AbandonedDatabase = { id: DatabaseId; cluster_id: ClusterId; state: 'creating' | 'retiring' };

/**
 * Rows 'creating' or 'retiring' without an unfinished operation, and not scratch databases in use. A retiring one whose drop has failed is held for a person
 * and not found here.
 */
export async function abandonedDatabases(
  db: CatalogDb,
  olderThanMs: number,
  limit: number,
): Promise<AbandonedDatabase[]> {
  const found = await sql<AbandonedDatabase>`
    select d.id, d.cluster_id, d.state from databases d
    where d.state in ('creating', 'retiring') and d.created_at < now() - ${olderThanMs} * interval '1 millisecond'
      and coalesce(d.scratch_until <= clock_timestamp(), true)
      and not exists (select from operations o where o.database_id = d.id and (
        o.state in ('pending', 'running', 'undoing')
        or (d.state = 'retiring' and o.kind = 'drop-database' and o.state in ('failed', 'cancelled'))))
    order by d.created_at limit ${limit}`.execute(db);
  return found.rows;
}

/** Those of these ids that have a row, in whatever state but dropped. */
export async function knownDatabases(db: CatalogDb, clusterId: ClusterId): Promise<Set<DatabaseId>> {
  const rows = await db
    .selectFrom('databases')
    .select('id')
    .where('cluster_id', '=', clusterId)
    .where('state', '<>', 'dropped')
    .execute();
  return new Set(rows.map((row) => row.id));
}

/** A row that says dropped, or is of another cluster: what is found under its id must be looked at by a person. */
export async function hasAnyRow(db: CatalogDb, id: DatabaseId): Promise<boolean> {
  return (await db.selectFrom('databases').select('id').where('id', '=', id).executeTakeFirst()) !== undefined;
}

/** Counts under the lock that every reservation takes, in a statement of its own, so that none is missed. */
export async function recountSlots(db: CatalogDb, clusterId: ClusterId): Promise<{ was: number; is: number }> {
  return db.transaction().execute(async (tx) => {
    const cluster = await tx
      .selectFrom('clusters')
      .select('databases_used')
      .where('id', '=', clusterId)
      .forUpdate()
      .executeTakeFirstOrThrow();
    const { count } = await tx
      .selectFrom('databases')
      .select(sql<number>`count(*)::integer`.as('count'))
      .where('cluster_id', '=', clusterId)
      .where('state', '<>', 'dropped')
      .executeTakeFirstOrThrow();
    if (count !== cluster.databases_used) {
      await tx.updateTable('clusters').set({ databases_used: count }).where('id', '=', clusterId).execute();
    }
    return { was: cluster.databases_used, is: count };
  });
}
