// Owns what earlier rollouts took: the median of the databases that were brought to a release, or in which a statement ran.
import { sql } from 'kysely';
import type { ReleaseId } from './ids.ts';
import type { CatalogDb } from './open-catalog.ts';

export type Experience = { medianMs: number; databases: number };

/** Undefined where no database has done the same yet: a guess from other migrations would say nothing. */
export async function experienceWith(
  db: CatalogDb,
  what: { releaseId: ReleaseId } | { statement: string },
): Promise<Experience | undefined> {
  const same = 'releaseId' in what ? sql`r.release_id = ${what.releaseId}` : sql`r.statement = ${what.statement}`;
  const { rows } = await sql<{ median: number | null; databases: number }>`
    select percentile_cont(0.5) within group (order by m.duration_ms)::float8 as median, count(*)::integer as databases
    from rollout_members m join rollouts r on r.id = m.rollout_id
    where ${same} and m.state = 'done' and m.duration_ms is not null`.execute(db);
  const { median, databases } = rows[0] ?? { median: null, databases: 0 };
  return median === null ? undefined : { medianMs: median, databases };
}
