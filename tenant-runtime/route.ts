// Owns the route as the runtime uses it: parsed once when it comes from the catalog or the snapshot, never changed after.
// A new row is a new Route, so whoever holds one can tell by identity whether it is still the current one.
import { z } from 'zod';
import type { ClusterId, DatabaseId, TenantId } from '../catalog/ids.ts';
import { namesOf } from '../catalog/names.ts';
import { type PlanLimits, planLimitsSchema } from '../catalog/plan-limits.ts';
import { readPoolerUrl } from '../catalog/pooler-url.ts';
import type { RouteRow } from '../catalog/routes.ts';
import type { LaneVersions } from '../catalog/schema.ts';
import { isServed, type TenantState } from '../catalog/tenant-states.ts';
import type { PostgresAddress } from '../platform/postgres/address.ts';

/** What a request may do decides which login it gets. */
export type Access = 'app' | 'ro';

export type RouteLogin = {
  readonly login: 'app_a' | 'app_b' | 'ro';
  /** Sealed with secretContext(database id, login). */
  readonly sealed: string;
  /**
   * Key of its sessions in the pool. Database id, login and generation are each of a fixed alphabet without a slash, so no
   * two mean the same key (N04); a session opened for an older generation is never found under a newer one.
   */
  readonly poolKey: string;
};

export type RouteDatabase = {
  readonly id: DatabaseId;
  readonly clusterId: ClusterId;
  readonly address: Omit<PostgresAddress, 'user' | 'password'>;
  /** The address is that of a pooler in transaction mode. */
  readonly pooled: boolean;
  readonly users: Readonly<Record<Access, string>>;
  readonly logins: Readonly<Record<Access, RouteLogin>>;
};

export type Route = {
  readonly tenantId: TenantId;
  readonly state: TenantState;
  readonly epoch: number;
  readonly generation: number;
  readonly planId: string;
  readonly limits: PlanLimits;
  readonly lanes: LaneVersions;
  /** Undefined unless the tenant is served: no credential leaves the catalog otherwise. */
  readonly database: RouteDatabase | undefined;
  readonly fingerprint: string;
  /** As it came, for the snapshot. */
  readonly row: RouteRow;
};

/** Unknown limits are dropped, not refused: a newer control plane may know more of them than this runtime. */
const limitsSchema = z.object(planLimitsSchema.shape);

/** Plans and versions are few; each edit of one is another text, so they are forgotten now and then. */
const sharedMax = 1_000;

/**
 * Routes of one plan share its limits, and those at one version its lanes: half of the memory of a known tenant, and most of the
 * time it takes to read a route.
 */
export function createRouteReader(): (row: RouteRow) => Route {
  const limitsOf = sharing((limits: RouteRow['limits']) => limitsSchema.parse(limits));
  const lanesOf = sharing((lanes: LaneVersions) => lanes);
  /** @throws ZodError when the catalog holds limits that are none */
  return (row) => {
    const limits = limitsOf(row.limits);
    const lanes = lanesOf(row.lanes ?? {});
    return {
      tenantId: row.tenant_id,
      state: row.state,
      epoch: row.epoch,
      generation: row.generation,
      planId: row.plan_id,
      limits: limits.read,
      lanes: lanes.read,
      database: isServed(row.state) ? databaseOf(row) : undefined,
      fingerprint: row.fingerprint,
      row: { ...row, limits: limits.raw, lanes: row.lanes === null ? null : lanes.raw },
    };
  };
}

/** One object for all that say the same. */
function sharing<Raw, Read>(read: (raw: Raw) => Read): (raw: Raw) => { raw: Raw; read: Read } {
  const known = new Map<string, { raw: Raw; read: Read }>();
  return (raw) => {
    const text = JSON.stringify(raw);
    const found = known.get(text);
    if (found !== undefined) return found;
    if (known.size >= sharedMax) known.clear();
    const made = { raw, read: read(raw) };
    known.set(text, made);
    return made;
  };
}

function databaseOf(row: RouteRow): RouteDatabase | undefined {
  const { database_id: id, cluster_id: clusterId, host, port, active_login: active, app_sealed, ro_sealed } = row;
  if (id === null || clusterId === null || host === null || port === null || active === null) return undefined;
  if (app_sealed === null || ro_sealed === null) return undefined;
  const names = namesOf(id);
  // Absent in a snapshot that an older version has written.
  const poolerUrl = row.pooler_url ?? undefined;
  const server =
    poolerUrl === undefined ? { host, port, ...(row.tls !== null && { tls: row.tls }) } : readPoolerUrl(poolerUrl);
  // Sessions of one way are never found when the other is meant. The URL is last, so its slashes mix up nothing.
  const key = (login: string) => `${id}/${login}/${row.generation}${poolerUrl === undefined ? '' : `/${poolerUrl}`}`;
  return {
    id,
    clusterId,
    address: {
      ...server,
      database: names.database,
      ...(row.ca !== null && { ca: row.ca }),
    },
    pooled: poolerUrl !== undefined,
    users: { app: names.logins[active], ro: names.logins.ro },
    logins: {
      app: { login: active, sealed: app_sealed, poolKey: key(active) },
      ro: { login: 'ro', sealed: ro_sealed, poolKey: key('ro') },
    },
  };
}
