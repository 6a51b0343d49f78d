// Owns how a rollout follows a fleet that moves under it: databases that went away, closed ones whose tenant is suspended, warm
// ones that got a tenant, and those that were born, claimed or moved since and are still behind (M06).
import { sql } from 'kysely';
import type { ClusterId, DatabaseId, RolloutId, TenantId } from './ids.ts';
import type { CatalogTx } from './open-catalog.ts';

/** Those that are held by a worker end by themselves. */
export async function markGone(tx: CatalogTx, id: RolloutId): Promise<number> {
  const gone = await sql`
    update rollout_members m set state = 'gone', lease_holder = null, lease_until = null, error = null,
      finished_at = clock_timestamp()
    from databases d where m.rollout_id = ${id} and d.id = m.database_id and d.state in ('retiring', 'dropped')
      and (m.state in ('pending', 'failed') or (m.state = 'running' and m.lease_until <= clock_timestamp()))
    returning m.database_id`.execute(tx);
  return gone.rows.length;
}

export const closedReason = 'closed: its tenant is suspended or deleted; taken when it is opened again';

/**
 * Nobody can get into a closed database, so a rollout does not wait for it, and takes it when it is opened while it still runs.
 * One that was closed under a worker's hands is no failure, also while its tenant is only on the way out: the database is closed
 * some moments before the catalog says so.
 */
export async function setAsideClosed(tx: CatalogTx, id: RolloutId): Promise<void> {
  await sql`
    update rollout_members m set state = 'skipped', skip_reason = ${closedReason}, lease_holder = null, lease_until = null,
      error = null, finished_at = clock_timestamp()
    from databases d left join tenants t on t.id = d.tenant_id
    where m.rollout_id = ${id} and d.id = m.database_id and (d.fenced or ${isLeaving})
      and (m.state = 'pending' or (m.state = 'running' and m.lease_until <= clock_timestamp())
        or (m.state = 'failed' and (m.error ->> 'sqlstate' = '55000' or m.error ->> 'code' = 'cluster_unreachable')))`.execute(
    tx,
  );
  await sql`
    update rollout_members m set state = 'pending', skip_reason = null, finished_at = null, attempts = 0,
      next_attempt_at = clock_timestamp()
    from databases d left join tenants t on t.id = d.tenant_id
    where m.rollout_id = ${id} and d.id = m.database_id and not d.fenced and not ${isLeaving}
      and m.state = 'skipped' and m.skip_reason = ${closedReason}`.execute(tx);
}

const isLeaving = sql`coalesce(t.state in ('suspending', 'deleting'), false)`;

/**
 * Warm databases that have a tenant by now: it may be asked for, and failures are told by its name.
 * @returns those of them that nobody has begun to migrate
 */
export async function nameTenants(tx: CatalogTx, id: RolloutId): Promise<LateDatabase[]> {
  const { rows } = await sql<LateDatabase & { isOpen: boolean }>`
    update rollout_members m set tenant_id = d.tenant_id from databases d
    where m.rollout_id = ${id} and d.id = m.database_id and d.tenant_id is distinct from m.tenant_id
      and d.state in ('warm', 'claimed')
    returning m.database_id as "databaseId", m.tenant_id as "tenantId", m.cluster_id as "clusterId", m.state = 'pending' as "isOpen"`.execute(
    tx,
  );
  return rows.filter(({ tenantId, isOpen }) => tenantId !== null && isOpen);
}

export type LateDatabase = { databaseId: DatabaseId; tenantId: TenantId | null; clusterId: ClusterId };

export type LateSearch = {
  lane: string;
  /** Of the release. */
  hash: string;
  /** Null: the whole fleet. */
  among: readonly DatabaseId[] | null;
};

/** Those that are open, behind, and no members yet. */
export async function lateDatabases(
  tx: CatalogTx,
  id: RolloutId,
  { lane, hash, among }: LateSearch,
): Promise<LateDatabase[]> {
  const { rows } = await sql<LateDatabase>`
    select d.id as "databaseId", d.tenant_id as "tenantId", d.cluster_id as "clusterId" from databases d
    where d.state in ('warm', 'claimed') and not d.fenced and d.lanes -> ${lane}::text ->> 'hash' is distinct from ${hash}
      and (${among === null} or d.id = any(${sql.val(among ?? [])}::text[]))
      and not exists (select from rollout_members m where m.rollout_id = ${id} and m.database_id = d.id)
    order by d.id`.execute(tx);
  return rows;
}

/** `skip`: why it is not taken. */
export type PlacedMember = LateDatabase & { wave: number; skip: string | null };

/** New members, and those that wait in another wave. One that a worker holds stays where it is. */
export async function placeMembers(tx: CatalogTx, id: RolloutId, members: readonly PlacedMember[]): Promise<void> {
  const rows = members.map((m) => ({ d: m.databaseId, t: m.tenantId, c: m.clusterId, w: m.wave, s: m.skip }));
  await sql`
    insert into rollout_members as m (rollout_id, database_id, tenant_id, cluster_id, wave, state, skip_reason, finished_at)
    select ${id}, p.d, p.t, p.c, p.w, case when p.s is null then 'pending' else 'skipped' end, p.s,
      case when p.s is not null then clock_timestamp() end
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as p (d text, t text, c text, w integer, s text)
    on conflict (rollout_id, database_id) do update set wave = excluded.wave, state = excluded.state,
      skip_reason = excluded.skip_reason, finished_at = excluded.finished_at
    where m.state = 'pending'`.execute(tx);
}
