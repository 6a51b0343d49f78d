// Owns the queries on databases and their secrets. A database row is made before anything of it exists on a cluster, and
// stays (state dropped) after everything of it is gone; clusters.databases_used counts the rows between.
import { type Selectable, sql } from 'kysely';
import type { ClusterId, DatabaseId, TenantId } from './ids.ts';
import { type Login, logins } from './names.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
import type { PlanLimits } from './plan-limits.ts';
import type { DatabasesTable, LaneVersions } from './schema.ts';

export type DatabaseRow = Selectable<DatabasesTable>;

export type NewDatabase = {
  id: DatabaseId;
  clusterId: ClusterId;
  tenantId: TenantId | null;
  state: 'creating' | 'retiring';
  /** Sealed passwords. */
  secrets: Readonly<Record<Login, string>>;
};

/** The slot of the cluster is the caller's business: see placement.ts. */
export async function insertDatabase(tx: CatalogTx, database: NewDatabase): Promise<void> {
  await tx
    .insertInto('databases')
    .values({ id: database.id, cluster_id: database.clusterId, tenant_id: database.tenantId, state: database.state })
    .execute();
  const { secrets } = database;
  await tx
    .insertInto('database_secrets')
    .values(logins.map((login) => ({ database_id: database.id, login, sealed: secrets[login] })))
    .execute();
}

export async function findDatabase(db: CatalogDb, id: DatabaseId): Promise<DatabaseRow | undefined> {
  return db.selectFrom('databases').selectAll().where('id', '=', id).executeTakeFirst();
}

/** The database that is, or is about to be, the tenant's. */
export async function databaseOfTenant(db: CatalogDb, tenantId: TenantId): Promise<DatabaseRow | undefined> {
  return db
    .selectFrom('databases')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('state', 'in', ['creating', 'claimed'])
    .executeTakeFirst();
}

export async function sealedSecrets(db: CatalogDb, id: DatabaseId): Promise<Partial<Record<Login, string>>> {
  const rows = await db
    .selectFrom('database_secrets')
    .select(['login', 'sealed'])
    .where('database_id', '=', id)
    .execute();
  return Object.fromEntries(rows.map((row) => [row.login, row.sealed]));
}

/** The database is made: into the stock, or to its tenant. */
export async function settleDatabase(tx: CatalogTx, id: DatabaseId, lanes: LaneVersions | undefined): Promise<void> {
  await tx
    .updateTable('databases')
    .set({
      state: sql`case when tenant_id is null then 'warm' else 'claimed' end`,
      claimed_at: sql`case when tenant_id is null then null else coalesce(claimed_at, now()) end`,
      ...(lanes === undefined ? {} : { lanes: JSON.stringify(lanes) }),
      version: sql`version + 1`,
    })
    .where('id', '=', id)
    .where('state', 'in', ['creating', 'claimed'])
    .executeTakeFirstOrThrow();
}

/** Takes a database away from its tenant and gives it back to the stock; it holds no identity any more. */
export async function returnToStock(tx: CatalogTx, id: DatabaseId): Promise<void> {
  await tx
    .updateTable('databases')
    .set({ state: 'warm', tenant_id: null, claimed_at: null, version: sql`version + 1` })
    .where('id', '=', id)
    .where('state', '=', 'claimed')
    .execute();
}

/** Nobody will use it again; drop-database does the rest. tenant_id stays: it says whose identity it may hold. */
export async function retireDatabase(tx: CatalogTx, id: DatabaseId): Promise<void> {
  await tx
    .updateTable('databases')
    .set({ state: 'retiring', version: sql`version + 1` })
    .where('id', '=', id)
    .where('state', 'in', ['creating', 'warm', 'claimed'])
    .execute();
}

export async function setFenced(tx: CatalogTx, id: DatabaseId, fenced: boolean): Promise<void> {
  await tx.updateTable('databases').set({ fenced, version: sql`version + 1` }).where('id', '=', id).execute();
}

/** Of the lanes named; the others stay as they are. */
export async function setLanes(tx: CatalogTx, id: DatabaseId, lanes: LaneVersions): Promise<void> {
  await tx
    .updateTable('databases')
    .set({ lanes: sql`lanes || ${JSON.stringify(lanes)}::text::jsonb`, version: sql`version + 1` })
    .where('id', '=', id)
    .execute();
}

/** Everything of it is gone from the cluster: its secrets and its slot go too. */
export async function forgetDatabase(tx: CatalogTx, id: DatabaseId): Promise<void> {
  await sql`
    with gone as (
      update databases set state = 'dropped', dropped_at = now(), version = version + 1
      where id = ${id} and state <> 'dropped' returning id, cluster_id
    ), secrets as (delete from database_secrets where database_id = ${id})
    update clusters c set databases_used = greatest(databases_used - 1, 0) from gone where c.id = gone.cluster_id`.execute(
    tx,
  );
}

/** False when it was claimed meanwhile, or is being claimed. */
export async function lockIfWarm(tx: CatalogTx, id: DatabaseId): Promise<boolean> {
  const row = await tx
    .selectFrom('databases')
    .select('id')
    .where('id', '=', id)
    .where('state', '=', 'warm')
    .forUpdate()
    .skipLocked()
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Keeps a database that is in use or in stock, and that no unfinished operation holds, as it is until the transaction ends:
 * it is neither claimed nor retired meanwhile. Undefined when it is in somebody's hands.
 * @returns the limits of its tenant's plan; null in the stock
 */
export async function holdIfSettled(
  tx: CatalogTx,
  id: DatabaseId,
): Promise<{ tenantId: TenantId | null; limits: PlanLimits | null } | undefined> {
  const { rows } = await sql<{ tenantId: TenantId | null; limits: PlanLimits | null }>`
    select d.tenant_id as "tenantId", p.limits
    from databases d left join tenants t on t.id = d.tenant_id left join plans p on p.id = t.plan_id
    where d.id = ${id} and d.state in ('warm', 'claimed') and not exists (
      select from operations o where o.state in ('pending', 'running', 'undoing')
        and (o.database_id = d.id or o.tenant_id = d.tenant_id or o.facts ->> 'databaseId' = d.id))
    for no key update of d skip locked`.execute(tx);
  return rows[0];
}
