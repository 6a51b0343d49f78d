// Owns the rows of the connection budget: which process may have how many sessions on which cluster. Who gets what is decided
// in the function take_share (migrations/catalog), under a lock for each cluster; here it is called and read.
import { sql } from 'kysely';
import type { ClusterId, RuntimeInstanceId } from './ids.ts';
import type { CatalogDb } from './open-catalog.ts';
import type { ShareHolderId } from './schema.ts';

export type ShareReport = {
  cluster_id: ClusterId;
  /** The most that can be open until the answer is heard. */
  ceiling: number;
  open: number;
  /** Sessions for work that is there now; those worth keeping; the most this process is configured for. */
  need: number;
  keep: number;
  most: number;
};

export type Share = { cluster_id: ClusterId; may_open: number; budget: number };

export type ShareCall = {
  holderId: ShareHolderId;
  host: string;
  pid: number;
  /** Grows from call to call. */
  nr: number;
  leaseMs: number;
  reports: readonly ShareReport[];
};

/** As a runtime, whose role may call nothing else. A cluster that is not known is absent from the answer. */
export async function takeRuntimeShares(db: CatalogDb, call: ShareCall): Promise<Share[]> {
  return await takeBy(db, 'runtime', call);
}

export async function takeShares(db: CatalogDb, call: ShareCall): Promise<Share[]> {
  return await takeBy(db, 'public', call);
}

async function takeBy(db: CatalogDb, schema: 'runtime' | 'public', call: ShareCall): Promise<Share[]> {
  const { holderId, host, pid, nr, leaseMs, reports } = call;
  const taken = await sql<Share>`select * from ${sql.id(schema, 'take_shares')}(${holderId}, ${host}, ${pid}::integer,
    ${nr}::bigint, ${leaseMs}::integer, ${JSON.stringify(reports)}::jsonb)`.execute(db);
  return taken.rows;
}

export async function giveBackRuntimeShares(db: CatalogDb, id: RuntimeInstanceId): Promise<void> {
  await sql`select runtime.give_back_shares(${id})`.execute(db);
}

export async function giveBackShares(db: CatalogDb, id: ShareHolderId): Promise<void> {
  await db.deleteFrom('connection_shares').where('holder_id', '=', id).execute();
}

export type ShareRow = {
  cluster_id: ClusterId;
  holder_id: ShareHolderId;
  host: string;
  pid: number;
  granted: number;
  open: number;
  needed: number;
  taken_at: Date;
  /** False: silent for longer than its lease. Its share is kept until the cluster shows no session of it. */
  live: boolean;
};

export async function listShares(db: CatalogDb, clusterIds: readonly ClusterId[]): Promise<ShareRow[]> {
  if (clusterIds.length === 0) return [];
  return await db
    .selectFrom('connection_shares')
    .select(['cluster_id', 'holder_id', 'host', 'pid', 'granted', 'open', 'needed', 'taken_at'])
    .select(sql<boolean>`lease_until > now()`.as('live'))
    .where('cluster_id', 'in', clusterIds)
    .orderBy('cluster_id')
    .orderBy('taken_at')
    .execute();
}

export type SilentHolder = Pick<ShareRow, 'cluster_id' | 'holder_id'> & {
  report: string;
  lease_ms: number;
  /** Runtimes reach the cluster by a pooler. */
  pooled: boolean;
};

/** Whose lease is over by the catalog's clock. That alone frees nothing: see the reconciler connection-shares. */
export async function silentHolders(db: CatalogDb): Promise<SilentHolder[]> {
  return await db
    .selectFrom('connection_shares as s')
    .innerJoin('clusters as c', 'c.id', 's.cluster_id')
    .select(['s.cluster_id', 's.holder_id', 's.report', 's.lease_ms'])
    .select(sql<boolean>`c.pooler_url is not null`.as('pooled'))
    .where('s.lease_until', '<', sql<Date>`now()`)
    .execute();
}

/** All who have a share of any cluster, silent or not. */
export async function shareHolderIds(db: CatalogDb): Promise<{ id: ShareHolderId; live: boolean }[]> {
  return await db
    .selectFrom('connection_shares')
    .select(['holder_id as id', sql<boolean>`bool_or(lease_until > now())`.as('live')])
    .groupBy('holder_id')
    .execute();
}

/** Only where the holder has not spoken since that report. */
export async function freeShare(db: CatalogDb, { cluster_id, holder_id, report }: SilentHolder): Promise<boolean> {
  const gone = await db
    .deleteFrom('connection_shares')
    .where('cluster_id', '=', cluster_id)
    .where('holder_id', '=', holder_id)
    .where('report', '=', report)
    .executeTakeFirst();
  return gone.numDeletedRows > 0n;
}
