// Owns where the whole fleet stands in one lane, next to the releases it could stand at: one query, whose answer has a row for
// each version and cluster, whatever the number of tenants.
import { sql } from 'kysely';
import type { ClusterId } from './ids.ts';
import type { CatalogDb } from './open-catalog.ts';
import { newestFirst, type ReleaseRow } from './releases.ts';

/** Databases of one cluster with the same files of the lane, warm ones too. */
export type StandingCount = {
  hash: string | null;
  clusterId: ClusterId;
  clusterName: string;
  databases: number;
  /** Of them fenced: nobody gets in. */
  closed: number;
};

type Answer = { releases: ReleaseRow[]; counts: StandingCount[] };

export async function readLaneStanding(db: CatalogDb, lane: string): Promise<Answer> {
  const { rows } = await sql<Answer>`
    select (select coalesce(json_agg(r), '[]') from releases r where r.lane = ${lane}) as releases,
      (select coalesce(json_agg(s order by s."clusterId"), '[]') from (
        select d.lanes -> ${lane}::text ->> 'hash' as hash, c.id as "clusterId", c.name as "clusterName",
          count(*)::integer as databases, count(*) filter (where d.fenced)::integer as closed
        from databases d join clusters c on c.id = d.cluster_id where d.state in ('claimed', 'warm') group by 1, 2, 3) s) as counts`.execute(
    db,
  );
  const { releases, counts } = rows[0] as Answer;
  return {
    // JSON has no dates.
    releases: newestFirst(releases.map((release) => ({ ...release, created_at: new Date(release.created_at) }))),
    counts,
  };
}
