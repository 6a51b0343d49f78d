// Owns what is known of the runtimes: each writes its own heartbeat through runtime.heartbeat(); here it is read.
import { type Selectable, sql } from 'kysely';
import type { CatalogDb } from './open-catalog.ts';
import type { RuntimeInstancesTable } from './schema.ts';

/** Three heartbeats of 5 s may be lost before an instance counts as gone. */
const liveWithinSec = 15;

export type RuntimeInstanceRow = Selectable<RuntimeInstancesTable> & { live: boolean };

/** Newest first; those that have been silent for an hour are left out. */
export async function listRuntimeInstances(db: CatalogDb): Promise<RuntimeInstanceRow[]> {
  return await db
    .selectFrom('runtime_instances')
    .selectAll()
    .select(sql<boolean>`heartbeat_at > now() - make_interval(secs => ${liveWithinSec})`.as('live'))
    .where('heartbeat_at', '>', sql<Date>`now() - interval '1 hour'`)
    .orderBy('started_at', 'desc')
    .limit(1000)
    .execute();
}
