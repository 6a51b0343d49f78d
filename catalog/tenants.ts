// Owns the queries on tenants. moveTenant is the only writer of tenants.state; which move is allowed is decided by
// tenant-states.ts. Every move raises generation and version; suspending and deleting raise the epoch too, so that no
// token minted before is good afterwards.
import { type Selectable, sql, type Updateable } from 'kysely';
import { catalogFault } from './errors.ts';
import { type ClusterId, type DatabaseId, isId, type TenantId } from './ids.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
import type { LaneVersions, TenantsTable, Tier } from './schema.ts';
import { nextState, type TenantMove, type TenantState } from './tenant-states.ts';

export type TenantRow = Selectable<TenantsTable>;

export type NewTenant = {
  id: TenantId;
  slug: string;
  name: string;
  region: string;
  tier: Tier;
  planId: string;
  labels: Record<string, string>;
};

/** Purged tenants are found by id only: their slug is a tombstone. */
export async function findTenant(db: CatalogDb, idOrSlug: string): Promise<TenantRow | undefined> {
  const query = db.selectFrom('tenants').selectAll();
  return isId('tenant', idOrSlug)
    ? query.where('id', '=', idOrSlug).executeTakeFirst()
    : query.where('slug', '=', idOrSlug).where('state', '<>', 'purged').executeTakeFirst();
}

/** @throws Fault tenant_not_found */
export async function lockTenant(tx: CatalogTx, id: TenantId): Promise<TenantRow> {
  const row = await tx.selectFrom('tenants').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
  if (row === undefined) throw catalogFault('tenant_not_found', 'There is no tenant with this id or slug.');
  return row;
}

/** @throws Fault slug_taken */
export async function insertTenant(tx: CatalogTx, tenant: NewTenant): Promise<TenantRow> {
  const row = await tx
    .insertInto('tenants')
    .values({
      id: tenant.id,
      slug: tenant.slug,
      name: tenant.name,
      region: tenant.region,
      tier: tenant.tier,
      plan_id: tenant.planId,
      state: 'provisioning',
      labels: JSON.stringify(tenant.labels),
    })
    .onConflict((conflict) => conflict.column('slug').doNothing())
    .returningAll()
    .executeTakeFirst();
  if (row === undefined) throw catalogFault('slug_taken', `The slug ${tenant.slug} is taken. Choose another.`);
  return row;
}

export type TenantPatch = Pick<
  Updateable<TenantsTable>,
  'deleted_from' | 'deleted_at' | 'purge_after' | 'name' | 'labels'
>;

/**
 * Makes one move. `tenant` is the row as the transaction has locked it.
 * @throws Fault wrong_state
 */
export async function moveTenant(
  tx: CatalogTx,
  tenant: TenantRow,
  move: TenantMove,
  patch: TenantPatch = {},
): Promise<TenantRow> {
  const state = nextState(tenant.state, move);
  const revokesTokens = move === 'suspend' || move === 'delete';
  return tx
    .updateTable('tenants')
    .set({
      ...patch,
      state,
      generation: sql`generation + 1`,
      version: sql`version + 1`,
      epoch: revokesTokens ? sql`epoch + 1` : sql`epoch`,
      updated_at: sql`now()`,
    })
    .where('id', '=', tenant.id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

export type TenantWithDatabase = Selectable<TenantsTable> & {
  database_id: DatabaseId | null;
  cluster_id: ClusterId | null;
  lanes: LaneVersions | null;
};

export type TenantFilter = {
  state?: TenantState | undefined;
  region?: string | undefined;
  plan?: string | undefined;
  slug?: string | undefined;
  /** All of them must be there. */
  labels?: Readonly<Record<string, string>> | undefined;
};

export async function listTenants(
  db: CatalogDb,
  filter: TenantFilter,
  page: { after: string | undefined; limit: number },
): Promise<TenantWithDatabase[]> {
  let query = tenantsWithDatabase(db).orderBy('t.id', 'desc').limit(page.limit);
  if (filter.state !== undefined) query = query.where('t.state', '=', filter.state);
  if (filter.region !== undefined) query = query.where('t.region', '=', filter.region);
  if (filter.plan !== undefined) query = query.where('t.plan_id', '=', filter.plan);
  if (filter.slug !== undefined) query = query.where('t.slug', '=', filter.slug);
  if (filter.labels !== undefined) query = query.where('t.labels', '@>', JSON.stringify(filter.labels) as never);
  if (page.after !== undefined) query = query.where('t.id', '<', page.after as TenantId);
  return await query.execute();
}

/** A purged tenant is found by its id only: its slug is a tombstone. */
export async function findTenantWithDatabase(
  db: CatalogDb | CatalogTx,
  idOrSlug: string,
): Promise<TenantWithDatabase | undefined> {
  const query = tenantsWithDatabase(db);
  return isId('tenant', idOrSlug)
    ? await query.where('t.id', '=', idOrSlug).executeTakeFirst()
    : await query.where('t.slug', '=', idOrSlug).where('t.state', '<>', 'purged').executeTakeFirst();
}

function tenantsWithDatabase(db: CatalogDb | CatalogTx) {
  return db
    .selectFrom('tenants as t')
    .leftJoin('databases as d', (join) =>
      join.onRef('d.tenant_id', '=', 't.id').on('d.state', 'in', ['creating', 'claimed']),
    )
    .selectAll('t')
    .select(['d.id as database_id', 'd.cluster_id as cluster_id', 'd.lanes as lanes']);
}
