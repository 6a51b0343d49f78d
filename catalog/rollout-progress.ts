// Owns how far rollouts are, as people read it: members by state, per wave and per cluster, in one query over the members whatever
// their number; the members themselves in pages, and those that failed in the order in which they did.
import { sql } from 'kysely';
import type { ClusterId, DatabaseId, RolloutId } from './ids.ts';
import type { CatalogDb } from './open-catalog.ts';
import type { RolloutMemberRow } from './rollout-members.ts';
import type { MemberState } from './rollout-policy.ts';
import { type MemberCounts, noMembers, type RolloutWaveRow } from './rollout-waves.ts';

export type ClusterProgress = { id: ClusterId; name: string; reachable: boolean; counts: MemberCounts };
export type RolloutProgress = {
  counts: MemberCounts;
  waves: (RolloutWaveRow & { counts: MemberCounts })[];
  clusters: ClusterProgress[];
};

export async function progressOf(db: CatalogDb, id: RolloutId): Promise<RolloutProgress> {
  const waveRows = db.selectFrom('rollout_waves').selectAll().where('rollout_id', '=', id).orderBy('position');
  const waves = (await waveRows.execute()).map((wave) => ({ ...wave, counts: noMembers() }));
  type Group = { wave: number; id: ClusterId; name: string; reachable: boolean; state: MemberState; count: number };
  const { rows } = await sql<Group>`
    select m.wave, c.id, c.name, c.health <> 'unreachable' as reachable, m.state, m.count
    from (select wave, cluster_id, state, count(*)::integer as count from rollout_members
      where rollout_id = ${id} group by 1, 2, 3) m
    join clusters c on c.id = m.cluster_id order by c.name`.execute(db);
  const counts = noMembers();
  const clusters = new Map<ClusterId, ClusterProgress>();
  for (const { wave, state, count, ...of } of rows) {
    counts[state] += count;
    const cluster = clusters.get(of.id) ?? { ...of, counts: noMembers() };
    clusters.set(of.id, cluster);
    cluster.counts[state] += count;
    const position = waves.find((each) => each.position === wave);
    if (position !== undefined) position.counts[state] += count;
  }
  return { counts, waves, clusters: [...clusters.values()] };
}

/** For a list: a rollout without members is not in it. */
export async function countsOfRollouts(
  db: CatalogDb,
  ids: readonly RolloutId[],
): Promise<ReadonlyMap<RolloutId, MemberCounts>> {
  const { rows } = await sql<{ id: RolloutId; state: MemberState; count: number }>`
    select rollout_id as id, state, count(*)::integer as count from rollout_members
    where rollout_id = any(${sql.val([...ids])}::text[]) group by 1, 2`.execute(db);
  const found = new Map<RolloutId, MemberCounts>();
  for (const { id, state, count } of rows) {
    const counts = found.get(id) ?? noMembers();
    counts[state] = count;
    found.set(id, counts);
  }
  return found;
}

export type MemberFilter = {
  state?: MemberState | undefined;
  wave?: number | undefined;
  /** Id or name. */
  cluster?: string | undefined;
};

/** With the names that people know. */
export type NamedMember = RolloutMemberRow & { slug: string | null; cluster_name: string };

/** The place of a member in the list. */
export function memberKey({ wave, database_id }: Pick<NamedMember, 'wave' | 'database_id'>): string {
  return `${wave}/${database_id}`;
}

/** Wave by wave. */
export async function listMembers(
  db: CatalogDb,
  id: RolloutId,
  { state, wave, cluster }: MemberFilter,
  page: { after: string | undefined; limit: number },
): Promise<NamedMember[]> {
  let query = namedMembers(db, id).orderBy('m.wave').orderBy('m.database_id').limit(page.limit);
  if (state !== undefined) query = query.where('m.state', '=', state);
  if (wave !== undefined) query = query.where('m.wave', '=', wave);
  if (cluster !== undefined)
    query = query.where((eb) => eb.or([eb('c.id', '=', cluster as ClusterId), eb('c.name', '=', cluster)]));
  if (page.after !== undefined) {
    const [afterWave, afterId] = page.after.split('/');
    query = query.where(sql<boolean>`(m.wave, m.database_id) > (${Number(afterWave)}::integer, ${afterId}::text)`);
  }
  return await query.execute();
}

/** A moment of the database's clock as text, to the microsecond: what ended at the same millisecond is not told twice. */
export type FailureMark = { at: string; databaseId: DatabaseId };

/** Those that failed behind a mark, oldest first. */
export async function failuresSince(
  db: CatalogDb,
  id: RolloutId,
  mark: FailureMark | undefined,
  max: number,
): Promise<{ member: NamedMember; mark: FailureMark }[]> {
  let query = namedMembers(db, id)
    .select(sql<string>`m.finished_at::text`.as('at'))
    .where('m.state', '=', 'failed')
    .orderBy('m.finished_at')
    .orderBy('m.database_id')
    .limit(max);
  if (mark !== undefined) {
    query = query.where(
      sql<boolean>`(m.finished_at, m.database_id) > (${mark.at}::timestamptz, ${mark.databaseId}::text)`,
    );
  }
  const rows = await query.execute();
  return rows.map(({ at, ...member }) => ({ member, mark: { at, databaseId: member.database_id } }));
}

function namedMembers(db: CatalogDb, id: RolloutId) {
  return db
    .selectFrom('rollout_members as m')
    .innerJoin('clusters as c', 'c.id', 'm.cluster_id')
    .leftJoin('tenants as t', 't.id', 'm.tenant_id')
    .selectAll('m')
    .select(['t.slug', 'c.name as cluster_name'])
    .where('m.rollout_id', '=', id);
}
