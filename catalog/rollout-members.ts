// Owns the queries by which workers share the members of a rollout: all of them run with the row of the rollout locked, so that
// caps and budget are exact whatever the number of workers. A member is held by a lease with a fence; a record whose fence is
// not the member's any more changes nothing (P02).
import { type Selectable, sql } from 'kysely';
import type { RolloutMembersTable } from './fleet-schema.ts';
import type { ClusterId, DatabaseId, RolloutId, TenantId } from './ids.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
import type { MemberError, MemberState } from './rollout-policy.ts';
import type { LaneVersions } from './schema.ts';

export type RolloutMemberRow = Selectable<RolloutMembersTable>;

export type NewMember = { databaseId: DatabaseId; tenantId: TenantId | null; clusterId: ClusterId; wave: number };

export async function insertMembers(tx: CatalogTx, id: RolloutId, members: readonly NewMember[]): Promise<void> {
  if (members.length === 0) return;
  const rows = members.map((m) => ({ d: m.databaseId, t: m.tenantId, c: m.clusterId, w: m.wave }));
  await sql`
    insert into rollout_members (rollout_id, database_id, tenant_id, cluster_id, wave)
    select ${id}, m.d, m.t, m.c, m.w
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as m (d text, t text, c text, w integer)`.execute(tx);
}

export type MemberResult = {
  databaseId: DatabaseId;
  fence: number;
  /** pending: it is tried again after `retryInMs`. */
  state: Extract<MemberState, 'done' | 'noop' | 'failed' | 'pending'>;
  lanes: LaneVersions | null;
  fromVersion: string | null;
  toVersion: string | null;
  durationMs: number | null;
  lockWaitMs: number | null;
  error: MemberError | null;
  retryInMs: number;
};

/**
 * Members and the lanes of their databases, in one statement.
 * @returns those that were recorded; the rest belongs to somebody else by now
 */
export async function recordResults(
  tx: CatalogTx,
  id: RolloutId,
  results: readonly MemberResult[],
): Promise<DatabaseId[]> {
  if (results.length === 0) return [];
  const { rows } = await sql<{ database_id: DatabaseId }>`
    with result as (
      select * from jsonb_to_recordset(${JSON.stringify(results)}::text::jsonb) as r ("databaseId" text, fence integer,
        state text, lanes jsonb, "fromVersion" text, "toVersion" text, "durationMs" integer, "lockWaitMs" integer,
        error jsonb, "retryInMs" integer)
    ), recorded as (
      update rollout_members m set state = r.state, lease_holder = null, lease_until = null,
        from_version = coalesce(m.from_version, r."fromVersion"), to_version = coalesce(r."toVersion", m.to_version),
        duration_ms = r."durationMs", lock_wait_ms = r."lockWaitMs", error = nullif(r.error, 'null'::jsonb),
        next_attempt_at = clock_timestamp() + r."retryInMs" * interval '1 millisecond',
        finished_at = case when r.state = 'pending' then null else clock_timestamp() end
      from result r
      where m.rollout_id = ${id} and m.database_id = r."databaseId" and m.fence = r.fence and m.state = 'running'
      returning m.database_id, r.lanes
    ), moved as (
      update databases d set lanes = d.lanes || w.lanes, version = d.version + 1 from recorded w
      where d.id = w.database_id and jsonb_typeof(w.lanes) = 'object'
    )
    select database_id from recorded`.execute(tx);
  return rows.map((row) => row.database_id);
}

export type ClaimedMember = {
  databaseId: DatabaseId;
  tenantId: TenantId | null;
  clusterId: ClusterId;
  wave: number;
  fence: number;
  attempts: number;
  /** Of its database, as the catalog has them. */
  lanes: LaneVersions;
};

export type Claim = {
  holder: string;
  leaseMs: number;
  /** Waves that run and whose window is open. */
  waves: readonly number[];
  /** Waves whose window is open, begun or not: of them those that a runtime was asked for come first. Empty: not asked for. */
  onDemand: readonly number[];
  perCluster: number;
  max: number;
};

/** A cluster that nobody has looked at for so long may be back. */
const healthTrustedSec = 120;

/**
 * Of the cluster that has least to do first. Members of a cluster that is away wait for it, the others go on. A warm database that was
 * claimed since waits until the driver has seen whose it is: its tenant may have hours of its own.
 */
export async function claimMembers(tx: CatalogTx, id: RolloutId, claim: Claim): Promise<ClaimedMember[]> {
  if (claim.max <= 0 || claim.waves.length + claim.onDemand.length === 0) return [];
  const { rows } = await sql<ClaimedMember>`
    with busy as (
      select cluster_id, count(*)::integer as n from rollout_members
      where rollout_id = ${id} and state = 'running' and lease_until > clock_timestamp() group by cluster_id
    ), chosen as (
      select next.database_id, next.lanes from clusters c left join busy b on b.cluster_id = c.id
      cross join lateral (
        select m.database_id, d.lanes, coalesce(b.n, 0) + row_number() over (order by m.requested_at nulls last, m.wave,
          m.next_attempt_at, m.database_id) as load
        from rollout_members m join databases d on d.id = m.database_id and d.state in ('warm', 'claimed') and not d.fenced
          and d.tenant_id is not distinct from m.tenant_id
        where m.rollout_id = ${id} and m.cluster_id = c.id
          and ((m.state = 'pending' and m.next_attempt_at <= clock_timestamp())
            or (m.state = 'running' and m.lease_until <= clock_timestamp()))
          and (m.wave = any(${sql.val(claim.waves)}::integer[]) or (m.requested_at is not null and m.wave = any(${sql.val(claim.onDemand)}::integer[])))
        order by m.requested_at nulls last, m.wave, m.next_attempt_at, m.database_id
        limit greatest(${claim.perCluster}::integer - coalesce(b.n, 0), 0)
      ) next
      where c.health = 'healthy' or c.health_checked_at < now() - make_interval(secs => ${healthTrustedSec})
      order by next.load, next.database_id limit ${claim.max}
    )
    update rollout_members m set state = 'running', lease_holder = ${claim.holder}, fence = m.fence + 1,
      lease_until = clock_timestamp() + ${claim.leaseMs} * interval '1 millisecond', attempts = m.attempts + 1,
      started_at = coalesce(m.started_at, clock_timestamp())
    from chosen where m.rollout_id = ${id} and m.database_id = chosen.database_id
    returning m.database_id as "databaseId", m.tenant_id as "tenantId", m.cluster_id as "clusterId", m.wave, m.fence,
      m.attempts, chosen.lanes`.execute(tx);
  return rows;
}

/** @returns those that are still this worker's */
export async function renewMembers(
  db: CatalogDb,
  id: RolloutId,
  held: readonly { databaseId: DatabaseId; fence: number }[],
  leaseMs: number,
): Promise<Set<DatabaseId>> {
  const { rows } = await sql<{ database_id: DatabaseId }>`
    update rollout_members m set lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    from jsonb_to_recordset(${JSON.stringify(held)}::text::jsonb) as h ("databaseId" text, fence integer)
    where m.rollout_id = ${id} and m.database_id = h."databaseId" and m.fence = h.fence and m.state = 'running'
    returning m.database_id`.execute(db);
  return new Set(rows.map((row) => row.database_id));
}

/**
 * Rollouts that somebody has stopped and whose worker died with members in hand: nobody drives them, so nobody would ever find
 * out what became of those. By index, whatever the number of members.
 */
export async function rolloutsWithLeft(db: CatalogDb): Promise<RolloutId[]> {
  const { rows } = await sql<{ id: RolloutId }>`
    select r.id from rollouts r where r.state in ('paused', 'halted', 'aborted') and exists (
      select from rollout_members m where m.rollout_id = r.id and m.state = 'running' and m.lease_until <= clock_timestamp())
    order by r.id`.execute(db);
  return rows.map((row) => row.id);
}

export type LeftMember = { databaseId: DatabaseId; fence: number };

/** Not tried again, only looked at: no attempt more. */
export async function claimLeft(
  tx: CatalogTx,
  id: RolloutId,
  { holder, leaseMs, max }: { holder: string; leaseMs: number; max: number },
): Promise<LeftMember[]> {
  const { rows } = await sql<LeftMember>`
    update rollout_members m set lease_holder = ${holder}, fence = m.fence + 1,
      lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    from (select l.database_id from rollout_members l join clusters c on c.id = l.cluster_id and c.health = 'healthy'
      where l.rollout_id = ${id} and l.state = 'running' and l.lease_until <= clock_timestamp()
      order by l.database_id limit ${max}) chosen
    where m.rollout_id = ${id} and m.database_id = chosen.database_id
    returning m.database_id as "databaseId", m.fence`.execute(tx);
  return rows;
}
