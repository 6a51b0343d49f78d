// Owns the last sweep's answer for each database (schema_checks), and whom a sweep or a query over the fleet looks at.
import { sql } from 'kysely';
import type { SchemaDifference } from './fleet-schema.ts';
import type { ClusterId, DatabaseId, TenantId } from './ids.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
import type { PlanLimits } from './plan-limits.ts';
import type { LaneVersions } from './schema.ts';

export type KnownDatabase = {
  databaseId: DatabaseId;
  tenantId: TenantId;
  slug: string;
  clusterId: ClusterId;
  cluster: string;
  serverMajor: number;
  lanes: LaneVersions;
  /** Fenced: closed for everybody, so for us. */
  closed: boolean;
  /** Of the tenant's plan. */
  limits: PlanLimits;
};

/** Every claimed database, or those of these ids, in the order of their slugs. One query. */
export async function listKnownDatabases(db: CatalogDb, ids?: readonly DatabaseId[]): Promise<KnownDatabase[]> {
  let query = known(db).orderBy('t.slug');
  // As one array: a statement has at most 65,535 parameters.
  if (ids !== undefined) query = query.where(sql<boolean>`d.id = any(${sql.val(ids)}::text[])`);
  return (await query.execute()) as KnownDatabase[];
}

/**
 * Those whose last look is the longest ago, never before all others, on clusters that answer. What was made or looked at since
 * then waits: a new database is what its version says.
 */
export async function longestUnchecked(db: CatalogDb, olderThanMs: number, limit: number): Promise<KnownDatabase[]> {
  const rows = await known(db)
    .leftJoin('schema_checks as s', 's.database_id', 'd.id')
    .where('d.fenced', '=', false)
    .where('c.health', '=', 'healthy')
    .where(sql<boolean>`coalesce(s.checked_at, d.claimed_at) < now() - ${olderThanMs} * interval '1 millisecond'`)
    .orderBy(sql`s.checked_at nulls first`)
    .limit(limit)
    .execute();
  return rows as KnownDatabase[];
}

function known(db: CatalogDb) {
  return db
    .selectFrom('databases as d')
    .innerJoin('tenants as t', 't.id', 'd.tenant_id')
    .innerJoin('plans as p', 'p.id', 't.plan_id')
    .innerJoin('clusters as c', 'c.id', 'd.cluster_id')
    .select([
      'd.id as databaseId',
      't.id as tenantId',
      't.slug',
      'c.id as clusterId',
      'c.name as cluster',
      sql<number>`c.server_version_num / 10000`.as('serverMajor'),
      'd.lanes',
      'd.fenced as closed',
      'p.limits',
    ])
    .where('d.state', '=', 'claimed');
}

export type SchemaCheck = {
  database_id: DatabaseId;
  tenant_id: TenantId | null;
  slug: string | null;
  checked_at: Date;
  fingerprint: string;
  drifted: boolean;
  differences: SchemaDifference[];
  adopted: { fingerprint: string; reason: string; actor: string; at: string } | null;
};

function checks(db: CatalogDb | CatalogTx) {
  return db
    .selectFrom('schema_checks as s')
    .innerJoin('databases as d', 'd.id', 's.database_id')
    .leftJoin('tenants as t', 't.id', 'd.tenant_id')
    .select([
      's.database_id',
      'd.tenant_id',
      't.slug',
      's.checked_at',
      's.fingerprint',
      's.drifted',
      's.differences',
      's.adopted',
    ])
    .where('d.state', '<>', 'dropped');
}

export type SchemaCheckFilter = { drifted?: boolean | undefined };

/** By database, the newest first. */
export async function listSchemaChecks(
  db: CatalogDb,
  { drifted }: SchemaCheckFilter,
  page: { after?: string | undefined; limit: number },
): Promise<SchemaCheck[]> {
  let query = checks(db).orderBy('s.database_id', 'desc').limit(page.limit);
  if (drifted !== undefined) query = query.where('s.drifted', '=', drifted);
  if (page.after !== undefined) query = query.where('s.database_id', '<', page.after as DatabaseId);
  return (await query.execute()) as SchemaCheck[];
}

export async function findSchemaCheck(db: CatalogDb | CatalogTx, id: DatabaseId): Promise<SchemaCheck | undefined> {
  return (await checks(db).where('s.database_id', '=', id).executeTakeFirst()) as SchemaCheck | undefined;
}

export type NewSchemaCheck = {
  databaseId: DatabaseId;
  lanes: string;
  fingerprint: string;
  differences: readonly SchemaDifference[];
};

/**
 * An adopted difference stays adopted as long as the schema is exactly the one that was accepted.
 * @returns isNew: the look before had found no drift
 */
export async function storeSchemaCheck(
  tx: CatalogTx,
  check: NewSchemaCheck,
): Promise<{ drifted: boolean; adopted: boolean; isNew: boolean }> {
  const { rows } = await sql<{ drifted: boolean; adopted: boolean; isNew: boolean }>`
    with before as (select drifted from schema_checks where database_id = ${check.databaseId})
    insert into schema_checks as s (database_id, lanes_hash, fingerprint, drifted, differences)
    values (${check.databaseId}, ${check.lanes}, ${check.fingerprint}, ${check.differences.length > 0}, ${JSON.stringify(check.differences)}::text::jsonb)
    on conflict (database_id) do update set checked_at = now(), lanes_hash = excluded.lanes_hash, fingerprint = excluded.fingerprint,
      differences = excluded.differences,
      adopted = case when s.adopted ->> 'fingerprint' = excluded.fingerprint then s.adopted end,
      drifted = excluded.drifted and s.adopted ->> 'fingerprint' is distinct from excluded.fingerprint
    returning drifted, adopted is not null as adopted, drifted and not coalesce((select drifted from before), false) as "isNew"`.execute(
    tx,
  );
  return rows[0] as { drifted: boolean; adopted: boolean; isNew: boolean };
}

/** Those of these ids that had drifted at the last look, and are accepted as they were found then. */
export async function adoptSchemas(
  tx: CatalogTx,
  ids: readonly DatabaseId[],
  { reason, actor }: { reason: string; actor: string },
): Promise<{ databaseId: DatabaseId; fingerprint: string }[]> {
  const { rows } = await sql<{ databaseId: DatabaseId; fingerprint: string }>`
    update schema_checks set drifted = false, adopted = jsonb_build_object('fingerprint', fingerprint, 'reason', ${reason}::text,
      'actor', ${actor}::text, 'at', now())
    where drifted and database_id = any(${sql.val(ids)}::text[])
    returning database_id as "databaseId", fingerprint`.execute(tx);
  return rows;
}

/** A migration or an operation is at work on it, or was since then: what was seen may be of two moments. */
export async function isChanging(db: CatalogDb, id: DatabaseId, since: string): Promise<boolean> {
  const { rows } = await sql`
    select from rollout_members where database_id = ${id} and (state = 'running' or finished_at >= ${since}::timestamptz)
    union all
    select from operations o where (o.database_id = ${id} or o.tenant_id = (select tenant_id from databases where id = ${id}))
      and (o.state in ('pending', 'running', 'undoing') or o.finished_at >= ${since}::timestamptz)
    limit 1`.execute(db);
  return rows.length > 0;
}

export async function catalogClock(db: CatalogDb): Promise<string> {
  return (await sql<{ at: string }>`select clock_timestamp()::text as at`.execute(db)).rows[0]?.at ?? 'infinity';
}

export async function countDrifted(db: CatalogDb): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::integer as count from schema_checks s join databases d on d.id = s.database_id
    where s.drifted and d.state = 'claimed'`.execute(db);
  return rows[0]?.count ?? 0;
}
