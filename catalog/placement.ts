// Owns where a tenant's database comes from: the claim of a warm one, else a reserved slot for a new one. Region and tier
// refuse; among the clusters that remain the least loaded wins, by the share of its capacity in use.
import { sql } from 'kysely';
import { catalogFault } from './errors.ts';
import type { ClusterId, DatabaseId, TenantId } from './ids.ts';
import type { CatalogTx } from './open-catalog.ts';
import type { LaneVersions, Tier } from './schema.ts';

export type Where = { region: string; tier: Tier; avoid: readonly string[] };
export type ClaimedDatabase = { id: DatabaseId; cluster_id: ClusterId; lanes: LaneVersions };

/**
 * Assigns a warm database to the tenant: one statement, no waiting for other claims. Measured alone on a loaded catalog
 * of 40 warm databases: 0.3 ms (LIMITS.md, 1). Also notes the claim for the reconciler that keeps the stock.
 * @param ready preferred on the chosen cluster: the caller has a session into them
 */
export async function claimWarmDatabase(
  tx: CatalogTx,
  tenantId: TenantId,
  { region, tier, avoid }: Where,
  ready: readonly DatabaseId[] = [],
): Promise<ClaimedDatabase | undefined> {
  const claimed = await sql<ClaimedDatabase>`
    with picked as (
      select d.id from databases d join clusters c on c.id = d.cluster_id
      where d.state = 'warm' and c.region = ${region} and c.tier = ${tier} and c.state = 'active'
        and c.health = 'healthy' and c.id <> all (${sql.val(avoid)}::text[])
      order by c.databases_used::float8 / greatest(c.capacity, 1), (d.id = any (${sql.val(ready)}::text[])) desc, d.created_at
      limit 1 for update of d skip locked
    ), claimed as (
      update databases d set state = 'claimed', tenant_id = ${tenantId}, claimed_at = now(), version = version + 1
      from picked where d.id = picked.id
      returning d.id, d.cluster_id, d.lanes
    ), noted as (insert into warm_demand (cluster_id, warm) select cluster_id, true from claimed)
    select * from claimed`.execute(tx);
  return claimed.rows[0];
}

/**
 * The least loaded cluster with room, one slot of it taken.
 * @throws Fault no_capacity
 */
export async function reserveSlotAnywhere(tx: CatalogTx, { region, tier, avoid }: Where): Promise<ClusterId> {
  // Waits for the row instead of skipping it: a cluster that is being reserved is not a full one.
  const picked = await sql<{ id: ClusterId }>`
    with picked as (
      select id from clusters
      where region = ${region} and tier = ${tier} and state = 'active' and health = 'healthy'
        and databases_used < capacity and id <> all (${sql.val(avoid)}::text[])
      order by databases_used::float8 / greatest(capacity, 1), id limit 1 for update
    ), reserved as (
      update clusters c set databases_used = databases_used + 1 from picked where c.id = picked.id returning c.id
    ), noted as (insert into warm_demand (cluster_id, warm) select id, false from reserved)
    select id from reserved`.execute(tx);
  const cluster = picked.rows[0];
  if (cluster === undefined) throw noCapacity(region, tier);
  return cluster.id;
}

/** One slot of this cluster. @throws Fault no_capacity */
export async function reserveSlotOn(tx: CatalogTx, clusterId: ClusterId): Promise<void> {
  const reserved = await tx
    .updateTable('clusters')
    .set({ databases_used: sql`databases_used + 1` })
    .where('id', '=', clusterId)
    .where('state', '=', 'active')
    .where('databases_used', '<', sql<number>`capacity`)
    .returning('id')
    .executeTakeFirst();
  if (reserved === undefined) throw catalogFault('no_capacity', 'The cluster is full or takes no new databases.');
}

/** A slot for what is there already, whether there is room or not. */
export async function countSlot(tx: CatalogTx, clusterId: ClusterId): Promise<void> {
  await tx
    .updateTable('clusters')
    .set({ databases_used: sql`databases_used + 1` })
    .where('id', '=', clusterId)
    .execute();
}

/** Takes no tenants until cluster-health has reached it again. */
export async function suspectCluster(tx: CatalogTx, clusterId: ClusterId): Promise<void> {
  await tx
    .updateTable('clusters')
    .set({ health: 'unreachable', health_detail: JSON.stringify({ suspected_by: 'provision-tenant' }) })
    .where('id', '=', clusterId)
    .where('health', '=', 'healthy')
    .execute();
}

/**
 * Says no early to what can never be placed. A yes is no promise: the claim decides.
 * @throws Fault unknown_region | no_capacity
 */
export async function checkPlacement(tx: CatalogTx, region: string, tier: Tier): Promise<void> {
  const found = await sql<{ regions: string[]; room: boolean }>`
    select coalesce(array_agg(distinct region) filter (where state <> 'retired'), '{}') as regions,
      coalesce(bool_or(region = ${region} and tier = ${tier} and state = 'active' and health = 'healthy' and (
        databases_used < capacity
        or exists (select from databases d where d.cluster_id = clusters.id and d.state = 'warm'))), false) as room
    from clusters`.execute(tx);
  const { regions, room } = found.rows[0] ?? { regions: [], room: false };
  if (!regions.includes(region)) {
    throw catalogFault(
      'unknown_region',
      `There is no cluster in the region ${region}. Choose one of the listed regions.`,
      {
        extra: { regions: [...regions].sort() },
      },
    );
  }
  if (!room) throw noCapacity(region, tier);
}

function noCapacity(region: string, tier: Tier) {
  return catalogFault('no_capacity', `No ${tier} cluster in the region ${region} has room for another database.`, {
    retryAfterMs: 30_000,
  });
}
