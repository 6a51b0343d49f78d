// Owns the last sweep's answer for each database (schema_checks), and whom a sweep or a query over the fleet looks at.
import { sql } from 'kysely';
import type { SchemaDifference } from './fleet-schema.ts';
import type { ClusterId, DatabaseId, TenantId } from './ids.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
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
};

/** Every claimed database, or those of these ids, in the order of their slugs. One query. */
export async function listKnownDatabases(db: CatalogDb, ids?: readonly DatabaseId[]): Promise<KnownDatabase[]> {
  let query = db
    .selectFrom('databases as d')
    .innerJoin('tenants as t', 't.id', 'd.tenant_id')
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
    ])
    .where('d.state', '=', 'claimed')
    .orderBy('t.slug');
  // As one array: a statement has at most 65,535 parameters.
  if (ids !== undefined) query = query.where(sql<boolean>`d.id = any(${sql.val(ids)}::text[])`);
  return (await query.execute()) as KnownDatabase[];
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

/** Drifted ones only, unless all are asked for. */
export async function listSchemaChecks(db: CatalogDb, options: { all?: boolean } = {}): Promise<SchemaCheck[]> {
  const query = checks(db).orderBy('t.slug');
  return (await (options.all === true ? query : query.where('s.drifted', '=', true)).execute()) as SchemaCheck[];
}

export async function findSchemaCheck(db: CatalogDb | CatalogTx, id: DatabaseId): Promise<SchemaCheck | undefined> {
  return (await checks(db).where('s.database_id', '=', id).executeTakeFirst()) as SchemaCheck | undefined;
}

/** An adopted difference stays adopted as long as the schema is exactly the one that was accepted. */
export async function storeSchemaCheck(
  db: CatalogDb,
  check: { databaseId: DatabaseId; lanes: string; fingerprint: string; differences: readonly SchemaDifference[] },
): Promise<{ drifted: boolean; adopted: boolean }> {
  const { rows } = await sql<{ drifted: boolean; adopted: boolean }>`
    insert into schema_checks as s (database_id, lanes_hash, fingerprint, drifted, differences)
    values (${check.databaseId}, ${check.lanes}, ${check.fingerprint}, ${check.differences.length > 0}, ${JSON.stringify(check.differences)}::text::jsonb)
    on conflict (database_id) do update set checked_at = now(), lanes_hash = excluded.lanes_hash, fingerprint = excluded.fingerprint,
      differences = excluded.differences,
      adopted = case when s.adopted ->> 'fingerprint' = excluded.fingerprint then s.adopted end,
      drifted = excluded.drifted and s.adopted ->> 'fingerprint' is distinct from excluded.fingerprint
    returning drifted, adopted is not null as adopted`.execute(db);
  return rows[0] ?? { drifted: false, adopted: false };
}

/** False when the database was never looked at, or has no difference. */
export async function adoptSchema(
  tx: CatalogTx,
  id: DatabaseId,
  { reason, actor }: { reason: string; actor: string },
): Promise<boolean> {
  const { rows } = await sql`
    update schema_checks set drifted = false, adopted = jsonb_build_object('fingerprint', fingerprint, 'reason', ${reason}::text,
      'actor', ${actor}::text, 'at', now())
    where database_id = ${id} and jsonb_array_length(differences) > 0 returning database_id`.execute(tx);
  return rows.length === 1;
}
