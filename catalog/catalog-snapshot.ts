// Owns the catalog as fsck reads it: every row that says what must be on a cluster, all of one moment. Reads only.
import { type Selectable, sql } from 'kysely';
import type { DatabaseId, OperationId, TenantId } from './ids.ts';
import type { Login } from './names.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
import { unfinishedStates } from './operations.ts';
import type { PlanLimits } from './plan-limits.ts';
import type { ClustersTable, DatabasesTable, OperationState, RoutesView } from './schema.ts';
import type { TenantState } from './tenant-states.ts';

export type SnapshotTenant = { id: TenantId; state: TenantState; deletedFrom: string | null; limits: PlanLimits };
export type SnapshotOperation = {
  id: OperationId;
  kind: string;
  state: OperationState;
  tenantId: TenantId | null;
  databaseId: DatabaseId | null;
  attempt: number;
};
export type SnapshotDatabase = Selectable<DatabasesTable>;
export type SnapshotSecret = { databaseId: DatabaseId; login: Login; sealed: string };
export type SnapshotRoute = Pick<RoutesView, 'tenant_id' | 'database_id' | 'host' | 'app_sealed' | 'ro_sealed'>;

export type CatalogSnapshot = {
  clusters: Pick<Selectable<ClustersTable>, 'id' | 'name' | 'state' | 'databases_used' | 'provisioner_sealed'>[];
  tenants: ReadonlyMap<TenantId, SnapshotTenant>;
  /** Dropped ones too: they explain what is left over. */
  databases: ReadonlyMap<DatabaseId, SnapshotDatabase>;
  secrets: SnapshotSecret[];
  signingKeys: { kid: string; sealed: string }[];
  unfinished: SnapshotOperation[];
  danglingIdempotencyKeys: {
    principal: string;
    key: string;
    tenantId: TenantId | null;
    operationId: OperationId | null;
  }[];
  /** Of active tenants. */
  routes: ReadonlyMap<TenantId, SnapshotRoute>;
  /** What the runtime's role may do outside the schema made for it. */
  runtimeRights: string[];
};

/** One transaction, so rows agree with each other. */
export function readCatalogSnapshot(db: CatalogDb): Promise<CatalogSnapshot> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => ({
      clusters: await tx
        .selectFrom('clusters')
        .select(['id', 'name', 'state', 'databases_used', 'provisioner_sealed'])
        .orderBy('name')
        .execute(),
      tenants: byKey(await readTenants(tx), (tenant) => tenant.id),
      databases: byKey(await tx.selectFrom('databases').selectAll().execute(), (row) => row.id),
      secrets: await tx
        .selectFrom('database_secrets')
        .select(['database_id as databaseId', 'login', 'sealed'])
        .execute(),
      signingKeys: await tx
        .selectFrom('signing_keys')
        .select(['kid', sql<string>`private_sealed`.as('sealed')])
        .where('private_sealed', 'is not', null)
        .execute(),
      unfinished: await operations(tx).where('state', 'in', unfinishedStates).execute(),
      danglingIdempotencyKeys: await readDanglingKeys(tx),
      routes: byKey(await readActiveRoutes(tx), (route) => route.tenant_id),
      runtimeRights: await readRuntimeRights(tx),
    }));
}

export type Touched = {
  /** By the catalog's clock. */
  at: string;
  operations: SnapshotOperation[];
  tenants: ReadonlySet<TenantId>;
  databases: ReadonlySet<DatabaseId>;
};

/** What operations are changing now, or have changed since then: an observation of it may be of two moments. */
export async function readTouched(db: CatalogDb, since?: string): Promise<Touched> {
  // As text: a Date holds milliseconds only, and would take what ended just before for what ended since.
  const now = await sql<{ at: string }>`select clock_timestamp()::text as at`.execute(db);
  const rows = await operations(db)
    .select([sql<DatabaseId | null>`facts ->> 'databaseId'`.as('factsDatabaseId')])
    .select((eb) =>
      eb
        .selectFrom('databases')
        .whereRef('databases.tenant_id', '=', 'operations.tenant_id')
        .select(sql<DatabaseId[]>`coalesce(json_agg(databases.id), '[]'::json)`.as('ids'))
        .as('ofTenant'),
    )
    .where((where) =>
      where.or([
        where('state', 'in', unfinishedStates),
        ...(since === undefined ? [] : [where('finished_at', '>=', sql<Date>`${since}::timestamptz`)]),
      ]),
    )
    .execute();
  return {
    at: now.rows[0]?.at ?? '-infinity',
    operations: rows.map(({ factsDatabaseId, ofTenant, ...row }) => ({
      ...row,
      databaseId: row.databaseId ?? factsDatabaseId,
    })),
    tenants: new Set(rows.flatMap((row) => row.tenantId ?? [])),
    databases: new Set(
      rows.flatMap((row) => [row.databaseId ?? [], row.factsDatabaseId ?? [], row.ofTenant ?? []].flat()),
    ),
  };
}

function operations(db: CatalogDb | CatalogTx) {
  return db
    .selectFrom('operations')
    .select(['id', 'kind', 'state', 'tenant_id as tenantId', 'database_id as databaseId', 'attempt']);
}

function readTenants(tx: CatalogTx): Promise<SnapshotTenant[]> {
  return tx
    .selectFrom('tenants as t')
    .innerJoin('plans as p', 'p.id', 't.plan_id')
    .select(['t.id', 't.state', 't.deleted_from as deletedFrom', 'p.limits'])
    .execute();
}

function readDanglingKeys(tx: CatalogTx): Promise<CatalogSnapshot['danglingIdempotencyKeys']> {
  return (
    tx
      .selectFrom('idempotency_keys as k')
      .leftJoin('tenants as t', 't.id', 'k.tenant_id')
      .leftJoin('operations as o', 'o.id', 'k.operation_id')
      .leftJoin('rollouts as r', 'r.id', 'k.rollout_id')
      .select(['k.principal', 'k.key', 'k.tenant_id as tenantId', 'k.operation_id as operationId'])
      // A key began a tenant with its operation, or a rollout.
      .where('r.id', 'is', null)
      .where((where) => where.or([where('t.id', 'is', null), where('o.id', 'is', null)]))
      .execute()
  );
}

function readActiveRoutes(tx: CatalogTx): Promise<SnapshotRoute[]> {
  return tx
    .selectFrom('runtime.routes')
    .select(['tenant_id', 'database_id', 'host', 'app_sealed', 'ro_sealed'])
    .where('state', '=', 'active')
    .execute();
}

/** Its own rights and what it has from its groups and from PUBLIC. */
async function readRuntimeRights(tx: CatalogTx): Promise<string[]> {
  const { rows } = await sql<{ what: string }>`
    select c.relname || ': ' || string_agg(p.privilege, ', ' order by p.privilege) as what
    from pg_class c, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) as p (privilege)
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
      and has_table_privilege('freehold_runtime', c.oid, p.privilege)
    group by c.relname
    union all
    select 'runtime.' || c.relname || ': ' || string_agg(p.privilege, ', ' order by p.privilege)
    from pg_class c, unnest(array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) as p (privilege)
    where c.relnamespace = 'runtime'::regnamespace and has_table_privilege('freehold_runtime', c.oid, p.privilege)
    group by c.relname
    order by 1`.execute(tx);
  return rows.map((row) => row.what);
}

function byKey<K, V>(rows: readonly V[], keyOf: (row: V) => K): Map<K, V> {
  return new Map(rows.map((row) => [keyOf(row), row]));
}
