// Owns the figures by which a rollout is judged: what its members came to since it was last let run, and what the runtimes
// report of the tenants that have moved. Only those that a rule of the policy asks for are read.
import { sql } from 'kysely';
import type { CatalogTx } from './open-catalog.ts';
import type { RolloutRow } from './rollouts.ts';

export type MemberFigures = {
  total: number;
  open: number;
  running: number;
  failed: number;
  firstWave: number;
  firstFailed: number;
  waves: number;
};

export async function memberFigures(tx: CatalogTx, { id, budget_from }: RolloutRow): Promise<MemberFigures> {
  const { rows } = await sql<MemberFigures>`
    select count(*)::integer as total, count(*) filter (where state in ('pending', 'running'))::integer as open,
      count(*) filter (where state = 'running' and lease_until > clock_timestamp())::integer as running,
      count(*) filter (where state = 'failed' and finished_at > ${budget_from})::integer as failed,
      count(*) filter (where wave = 0)::integer as "firstWave",
      count(*) filter (where wave = 0 and state = 'failed' and finished_at > ${budget_from})::integer as "firstFailed",
      count(distinct wave)::integer as waves
    from rollout_members where rollout_id = ${id}`.execute(tx);
  return rows[0] as MemberFigures;
}

export async function latestFailures(tx: CatalogTx, { id, budget_from }: RolloutRow) {
  const { rows } = await sql<{ database_id: string; code: string; message: string }>`
    select database_id, error ->> 'code' as code, error ->> 'message' as message from rollout_members
    where rollout_id = ${id} and state = 'failed' and finished_at > ${budget_from}
    order by finished_at desc limit 10`.execute(tx);
  return rows;
}

export async function slowestLock(tx: CatalogTx, { id, budget_from }: RolloutRow) {
  const { rows } = await sql<{ database_id: string; lock_wait_ms: number }>`
    select database_id, lock_wait_ms from rollout_members
    where rollout_id = ${id} and lock_wait_ms is not null and finished_at > ${budget_from}
    order by lock_wait_ms desc limit 1`.execute(tx);
  return rows[0] ?? null;
}

/** The median of the first wave, and the slowest member behind it. */
export async function durations(tx: CatalogTx, { id, budget_from }: RolloutRow) {
  const median = await sql<{ ms: number | null }>`
    select percentile_cont(0.5) within group (order by duration_ms)::float8 as ms from rollout_members
    where rollout_id = ${id} and wave = 0 and state = 'done'`.execute(tx);
  const slowest = await sql<{ database_id: string; duration_ms: number }>`
    select database_id, duration_ms from rollout_members
    where rollout_id = ${id} and wave > 0 and state = 'done' and finished_at > ${budget_from}
    order by duration_ms desc nulls last limit 1`.execute(tx);
  return { medianMs: median.rows[0]?.ms ?? null, slowest: slowest.rows[0] ?? null };
}

/** Heartbeats come every 5 s. */
const liveWithinSec = 15;

/** Of the last minute, by the live runtimes themselves. Null where none reports. */
export async function runtimeFigures(tx: CatalogTx, version: string) {
  const { rows } = await sql<{ target: boolean; requests: number; errors: number; p99_ms: number }>`
    select v.key = ${version} as target, sum((v.value ->> 'requests')::float8) as requests,
      sum((v.value ->> 'errors')::float8) as errors, max(coalesce((v.value ->> 'p99_ms')::float8, 0)) as p99_ms
    from runtime_instances i cross join lateral jsonb_each(i.stats -> 'by_version') v
    where i.heartbeat_at > now() - make_interval(secs => ${liveWithinSec})
      and jsonb_typeof(i.stats -> 'by_version') = 'object' group by 1`.execute(tx);
  if (rows.length === 0) return null;
  const of = (target: boolean) => {
    const row = rows.find((each) => each.target === target);
    return { requests: row?.requests ?? 0, errors: row?.errors ?? 0, p99_ms: row?.p99_ms ?? 0 };
  };
  return { target: of(true), others: of(false) };
}
