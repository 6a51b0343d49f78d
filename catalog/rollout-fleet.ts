// Owns how a rollout follows a fleet that moves under it: databases that went away, closed ones whose tenant is suspended, warm
// ones that got a tenant, and those that were born, claimed or moved since and are still behind (M06).
import { sql } from 'kysely';
import type { DatabaseId, RolloutId } from './ids.ts';
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

/** Warm databases that have a tenant by now: it may be asked for, and failures are told by its name. */
export async function nameTenants(tx: CatalogTx, id: RolloutId): Promise<void> {
  await sql`
    update rollout_members m set tenant_id = d.tenant_id from databases d
    where m.rollout_id = ${id} and d.id = m.database_id and d.tenant_id is distinct from m.tenant_id
      and d.state in ('warm', 'claimed')`.execute(tx);
}

export type LateMembers = {
  lane: string;
  /** Of the release. */
  hash: string;
  wave: number;
  /** Null: the whole fleet. */
  among: readonly DatabaseId[] | null;
};

/** @returns how many there were */
export async function addLateMembers(tx: CatalogTx, id: RolloutId, late: LateMembers): Promise<number> {
  const added = await sql`
    insert into rollout_members (rollout_id, database_id, tenant_id, cluster_id, wave)
    select ${id}, d.id, d.tenant_id, d.cluster_id, ${late.wave} from databases d
    where d.state in ('warm', 'claimed') and not d.fenced and d.lanes -> ${late.lane}::text ->> 'hash' is distinct from ${late.hash}
      and (${late.among === null} or d.id = any(${sql.val(late.among ?? [])}::text[]))
      and not exists (select from rollout_members m where m.rollout_id = ${id} and m.database_id = d.id)
    on conflict do nothing returning database_id`.execute(tx);
  return added.rows.length;
}
