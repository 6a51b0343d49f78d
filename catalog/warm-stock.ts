// Owns the numbers behind the warm stock: what each cluster has, what is being built, and what was asked for lately.
import { sql } from 'kysely';
import type { ClusterId, DatabaseId } from './ids.ts';
import type { CatalogDb } from './open-catalog.ts';

export type StockOfCluster = {
  id: ClusterId;
  takesTenants: boolean;
  free: number;
  warmMin: number;
  warmMax: number;
  warm: number;
  building: number;
  /** Claims and misses in the window. */
  asked: number;
};

/** One row for each cluster that is not retired. */
export async function readStock(db: CatalogDb, windowMs: number): Promise<StockOfCluster[]> {
  const stock = await sql<StockOfCluster>`
    select c.id, c.state = 'active' as "takesTenants", greatest(c.capacity - c.databases_used, 0) as free,
      c.warm_min as "warmMin", c.warm_max as "warmMax",
      (select count(*)::integer from databases d where d.cluster_id = c.id and d.state = 'warm') as warm,
      (select count(*)::integer from operations o where o.kind = 'create-database' and o.input->>'cluster_id' = c.id
        and o.state in ('pending', 'running', 'undoing')) as building,
      (select count(*)::integer from warm_demand w where w.cluster_id = c.id
        and w.at > now() - ${windowMs} * interval '1 millisecond') as asked
    from clusters c where c.state <> 'retired' and c.health = 'healthy' order by c.id`.execute(db);
  return stock.rows;
}

/** True when somebody waits for an operation that no worker has taken. */
export async function foregroundWaits(db: CatalogDb, longerThanMs: number): Promise<boolean> {
  const waiting = await sql`
    select from operations where lane = 'foreground' and state in ('pending', 'running', 'undoing') and lease_holder is null
      and next_attempt_at <= now() - ${longerThanMs} * interval '1 millisecond' limit 1`.execute(db);
  return waiting.rows.length > 0;
}

/** The oldest warm databases of a cluster: those a claim does not take first would be as good. */
export async function oldestWarm(
  db: CatalogDb,
  clusterId: ClusterId,
  count: number,
): Promise<{ id: DatabaseId; cluster_id: ClusterId }[]> {
  return db
    .selectFrom('databases')
    .select(['id', 'cluster_id'])
    .where('cluster_id', '=', clusterId)
    .where('state', '=', 'warm')
    .orderBy('created_at')
    .limit(count)
    .execute();
}

/** Some of the stock of each cluster that takes tenants: those of `known` that are still there, else any. */
export async function warmDatabaseIds(
  db: CatalogDb,
  known: readonly DatabaseId[],
  perCluster: number,
  clustersMax: number,
): Promise<DatabaseId[]> {
  const found = await sql<{ id: DatabaseId }>`
    select d.id from (select id from clusters where state = 'active' and health = 'healthy' and warm_max > 0
        order by id limit ${clustersMax}) c
      cross join lateral (select id from databases where cluster_id = c.id and state = 'warm'
        order by (id = any (${sql.val(known)}::text[])) desc, random() limit ${perCluster}) d`.execute(db);
  return found.rows.map((row) => row.id);
}

export async function forgetDemand(db: CatalogDb, olderThanMs: number): Promise<void> {
  await sql`delete from warm_demand where at < now() - ${olderThanMs} * interval '1 millisecond'`.execute(db);
}
