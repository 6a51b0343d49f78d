// Owns what a new database gets: the release that is the head of each lane. A rollout over the whole fleet moves it, nothing else.
import { sql } from 'kysely';
import type { ReleaseId } from './ids.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';

export type LaneHead = { lane: string; releaseId: ReleaseId; version: string; hash: string };

/** In the order in which the lanes are applied: core first. */
export async function readHeads(db: CatalogDb): Promise<LaneHead[]> {
  const rows = await db
    .selectFrom('lane_heads as h')
    .innerJoin('releases as r', 'r.id', 'h.release_id')
    .select(['h.lane', 'h.release_id', 'r.version', 'r.hash'])
    .orderBy(sql`h.lane <> 'core'`)
    .orderBy('h.lane')
    .execute();
  return rows.map(({ release_id: releaseId, ...row }) => ({ releaseId, ...row }));
}

export async function moveHead(tx: CatalogTx, lane: string, releaseId: ReleaseId, actor: string): Promise<void> {
  await tx
    .insertInto('lane_heads')
    .values({ lane, release_id: releaseId, moved_by: actor })
    .onConflict((conflict) =>
      conflict.column('lane').doUpdateSet({ release_id: releaseId, moved_by: actor, moved_at: sql`now()` }),
    )
    .execute();
}

/** The first release of a lane is its head; later ones wait for a rollout. */
export async function becomeHeadIfFirst(
  tx: CatalogTx,
  lane: string,
  releaseId: ReleaseId,
  actor: string,
): Promise<boolean> {
  const inserted = await tx
    .insertInto('lane_heads')
    .values({ lane, release_id: releaseId, moved_by: actor })
    .onConflict((conflict) => conflict.column('lane').doNothing())
    .returning('lane')
    .executeTakeFirst();
  return inserted !== undefined;
}
