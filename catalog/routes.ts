// Owns what a runtime asks the catalog: routes, verification keys, its own heartbeat, a migration on demand. All go through the schema
// "runtime", which is all that the runtime's login may touch.
import { sql } from 'kysely';
import type { RuntimeInstanceId, TenantId } from './ids.ts';
import type { CatalogDb } from './open-catalog.ts';
import type { RoutesView, VerificationKeysView } from './schema.ts';

/** A route, and a fingerprint of every column of it: whatever changes, also without a new generation, changes this. */
export type RouteRow = RoutesView & { fingerprint: string };

/** Tenants without a route (unknown or purged) are absent from the answer. About 0.1 ms and 20 µs more for each tenant. */
export async function findRoutes(db: CatalogDb, tenantIds: readonly TenantId[]): Promise<RouteRow[]> {
  const found = await sql<RouteRow>`
    select r.*, md5(r::text) as fingerprint from runtime.routes r where r.tenant_id = any(${sql.val(tenantIds)}::text[])`.execute(
    db,
  );
  return found.rows;
}

/** The same fingerprints without the routes: what an already known route is compared with. */
export async function findRouteFingerprints(
  db: CatalogDb,
  tenantIds: readonly TenantId[],
): Promise<Map<TenantId, string>> {
  const found = await sql<{ tenant_id: TenantId; fingerprint: string }>`
    select r.tenant_id, md5(r::text) as fingerprint from runtime.routes r
    where r.tenant_id = any(${sql.val(tenantIds)}::text[])`.execute(db);
  return new Map(found.rows.map((row) => [row.tenant_id, row.fingerprint]));
}

/** Public keys of our own issuer and of every trusted external one. */
export async function listVerificationKeys(db: CatalogDb): Promise<VerificationKeysView[]> {
  return db.selectFrom('runtime.verification_keys').selectAll().execute();
}

export type Heartbeat = {
  instanceId: RuntimeInstanceId;
  host: string;
  pid: number;
  version: string;
  startedAt: Date;
  stats: Record<string, unknown>;
};

export async function beat(db: CatalogDb, heartbeat: Heartbeat): Promise<void> {
  const { instanceId, host, pid, version, startedAt, stats } = heartbeat;
  await sql`select runtime.heartbeat(${instanceId}, ${host}, ${pid}::integer, ${version}, ${startedAt}::timestamptz,
    ${JSON.stringify(stats)}::jsonb)`.execute(db);
}

/** Tells a rollout that migrates on demand that a tenant is waited for. False where no rollout has it still to do. */
export async function askMigration(db: CatalogDb, tenantId: TenantId): Promise<boolean> {
  const asked = await sql<{ asked: boolean }>`select runtime.ask_migration(${tenantId}) as asked`.execute(db);
  return asked.rows[0]?.asked === true;
}
