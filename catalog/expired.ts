// Owns finding and removing what has outlived its time.
import { sql } from 'kysely';
import type { TenantId } from './ids.ts';
import type { CatalogDb } from './open-catalog.ts';

/** Deleted tenants whose grace time is over and that no operation holds. */
export async function tenantsToPurge(db: CatalogDb, limit: number): Promise<TenantId[]> {
  const rows = await db
    .selectFrom('tenants')
    .select('id')
    .where('state', '=', 'deleted')
    .where('purge_after', '<=', sql<Date>`now()`)
    .orderBy('purge_after')
    .limit(limit)
    .execute();
  return rows.map((row) => row.id);
}

/** Published events older than this; returns how many were removed. Unpublished ones are kept for ever. */
export async function removePublishedEvents(db: CatalogDb, olderThanMs: number, limit: number): Promise<number> {
  const removed = await sql`
    delete from events where seq in (select seq from events where published_at is not null
      and published_at < now() - ${olderThanMs} * interval '1 millisecond' limit ${limit})`.execute(db);
  return Number(removed.numAffectedRows ?? 0);
}
