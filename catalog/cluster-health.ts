// Owns what is known about the health of clusters. Only a healthy cluster gets new tenants.
import { type Selectable, sql } from 'kysely';
import { writeEvent } from './events.ts';
import type { ClusterId } from './ids.ts';
import type { CatalogDb } from './open-catalog.ts';
import type { ClustersTable } from './schema.ts';

export type HealthDetail = {
  failures?: number;
  error?: string;
  sessions?: number;
  server_version_num?: number;
  next_check_at?: string;
};
export type ClusterHealth = Pick<Selectable<ClustersTable>, 'id' | 'name' | 'health'> & { health_detail: HealthDetail };

/** Clusters whose next check is due. */
export async function clustersToCheck(db: CatalogDb): Promise<ClusterHealth[]> {
  return db
    .selectFrom('clusters')
    .select(['id', 'name', 'health', 'health_detail'])
    .where('state', '<>', 'retired')
    .where(sql<boolean>`coalesce((health_detail->>'next_check_at')::timestamptz <= now(), true)`)
    .orderBy('id')
    .execute();
}

export async function recordHealth(
  db: CatalogDb,
  cluster: Pick<ClusterHealth, 'id' | 'name' | 'health'>,
  health: 'healthy' | 'unreachable',
  detail: HealthDetail,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await tx
      .updateTable('clusters')
      .set({ health, health_detail: JSON.stringify(detail), health_checked_at: sql`now()` })
      .where('id', '=', cluster.id)
      .execute();
    if (health === cluster.health) return;
    const payload = { cluster_id: cluster.id satisfies ClusterId, name: cluster.name, health };
    await writeEvent(tx, { type: 'cluster.health_changed.v1', payload });
  });
}

export async function clustersWithHealth(db: CatalogDb, health: 'healthy' | 'unreachable'): Promise<ClusterId[]> {
  const rows = await db
    .selectFrom('clusters')
    .select('id')
    .where('state', '<>', 'retired')
    .where('health', '=', health)
    .orderBy('id')
    .execute();
  return rows.map((row) => row.id);
}
