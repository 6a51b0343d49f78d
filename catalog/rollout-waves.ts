// Owns the queries on the waves of a rollout, each with what its members have come to.
import { type Selectable, sql } from 'kysely';
import type { RolloutWavesTable } from './fleet-schema.ts';
import type { RolloutId } from './ids.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
import type { MemberState } from './rollout-policy.ts';

export type RolloutWaveRow = Selectable<RolloutWavesTable>;
export type MemberCounts = Record<MemberState, number>;
/** `reachable`: open members that do not wait for a cluster that is away. */
export type WaveWithCounts = RolloutWaveRow & { counts: MemberCounts; reachable: number };

export function noMembers(): MemberCounts {
  return { pending: 0, running: 0, done: 0, noop: 0, failed: 0, skipped: 0, gone: 0 };
}

/** In order of position. */
export async function wavesOf(db: CatalogDb | CatalogTx, id: RolloutId): Promise<WaveWithCounts[]> {
  const waves = await db
    .selectFrom('rollout_waves')
    .selectAll()
    .where('rollout_id', '=', id)
    .orderBy('position')
    .execute();
  const { rows } = await sql<{ wave: number; state: MemberState; count: number; away: number }>`
    select m.wave, m.state, count(*)::int as count, count(*) filter (where c.health = 'unreachable')::int as away
    from rollout_members m join clusters c on c.id = m.cluster_id where m.rollout_id = ${id} group by 1, 2`.execute(db);
  const counted = new Map(waves.map((wave) => [wave.position, { ...wave, counts: noMembers(), reachable: 0 }]));
  for (const { wave, state, count, away } of rows) {
    const of = counted.get(wave);
    if (of === undefined) continue;
    of.counts[state] += count;
    if (state === 'pending' || state === 'running') of.reachable += count - away;
  }
  return [...counted.values()];
}

export async function startWave(tx: CatalogTx, id: RolloutId, position: number): Promise<void> {
  await tx
    .updateTable('rollout_waves')
    .set({
      state: 'running',
      started_at: sql<Date>`coalesce(started_at, clock_timestamp())`,
      ended_at: null,
      finished_at: null,
    })
    .where('rollout_id', '=', id)
    .where('position', '=', position)
    .execute();
}

/** All of its members have ended; from here on it bakes. */
export async function endWave(tx: CatalogTx, id: RolloutId, position: number): Promise<void> {
  await tx
    .updateTable('rollout_waves')
    .set({
      state: sql`case when bake_ms > 0 then 'baking' else 'done' end`,
      ended_at: sql<Date>`clock_timestamp()`,
      finished_at: sql<Date | null>`case when bake_ms > 0 then null else clock_timestamp() end`,
    })
    .where('rollout_id', '=', id)
    .where('position', '=', position)
    .execute();
}

/** False while the bake time runs. */
export async function finishBaked(tx: CatalogTx, id: RolloutId, position: number): Promise<boolean> {
  const done = await tx
    .updateTable('rollout_waves')
    .set({ state: 'done', finished_at: sql<Date>`clock_timestamp()` })
    .where('rollout_id', '=', id)
    .where('position', '=', position)
    .where('state', '=', 'baking')
    .where(sql<boolean>`ended_at + bake_ms * interval '1 millisecond' <= clock_timestamp()`)
    .returning('position')
    .executeTakeFirst();
  return done !== undefined;
}

/** What a worker needs to know of the waves, without counting members. */
export async function wavesToWork(
  tx: CatalogTx,
  id: RolloutId,
): Promise<{ waves: RolloutWaveRow[]; firstPassed: boolean }> {
  const waves = await tx
    .selectFrom('rollout_waves')
    .selectAll()
    .where('rollout_id', '=', id)
    .orderBy('position')
    .execute();
  return { waves, firstPassed: waves[0]?.state === 'done' };
}

export type NewWave = Pick<RolloutWaveRow, 'name' | 'group_name' | 'concurrency' | 'maintenance_window'> & {
  bake_ms: number;
};

/** In the order given, from a position on. */
export async function insertWaves(tx: CatalogTx, id: RolloutId, waves: readonly NewWave[], from = 0): Promise<void> {
  await tx
    .insertInto('rollout_waves')
    .values(
      waves.map((wave, at) => ({
        ...wave,
        rollout_id: id,
        position: from + at,
        maintenance_window: wave.maintenance_window === null ? null : JSON.stringify(wave.maintenance_window),
      })),
    )
    .execute();
}
