// Owns the sessions into tenant databases: one pool for each cluster, shared by all its tenants, least recently used idle
// session first to go. Promises: a session serves one database, one login and one generation of the route; before its first
// use it has said which database it is in and whom that belongs to (N04, N06); when a tenant stops being served, its
// sessions are closed, also those at work; a request is repeated once, and only where nothing of it was sent.
import { hostname } from 'node:os';
import { catalogFault } from '../catalog/errors.ts';
import type { ClusterId, TenantId } from '../catalog/ids.ts';
import { secretContext } from '../catalog/names.ts';
import type { Log } from '../platform/log.ts';
import { ConnectionLostError, PostgresError } from '../platform/postgres/errors.ts';
import { openSession, type Session } from '../platform/postgres/session.ts';
import type { Lease } from '../platform/postgres/session-lease.ts';
import {
  createSessionPool,
  type PoolEvent,
  type PoolStats,
  type SessionPool,
} from '../platform/postgres/session-pool.ts';
import type { Sealer } from '../platform/sealing.ts';
import { checkIdentity, IdentityMismatch } from './check-identity.ts';
import { notServed } from './resolve-tenant.ts';
import type { Access, Route, RouteDatabase } from './route.ts';

export type ServedRoute = Route & { readonly database: RouteDatabase };

export interface TenantPools {
  /** Throws what `fn` throws; Fault tenant_not_served, tenant_database_unavailable, pool_timeout, catalog_unavailable; the signal's reason. */
  use<T>(
    route: ServedRoute,
    access: Access,
    fn: (session: Session, route: ServedRoute) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T>;
  /** Opens a session for a tenant that is likely to ask soon, where there is room to spare. Never throws, promises nothing. */
  prepare(route: Route): void;
  /** The route cache has replaced a route: sessions that the new one does not use are closed. */
  replaced(old: Route, now: Route | undefined): void;
  stats(): PoolStats & { clusters: number };
  close(): Promise<void>;
}

export type TenantPoolsDeps = {
  sealer: Sealer;
  /** What the route cache knows. */
  find(tenantId: TenantId): Route | undefined | Promise<Route | undefined>;
  /** What the catalog says now. */
  reload(tenantId: TenantId): Promise<Route | undefined>;
  sessionsPerClusterMax: number;
  idleMs: number;
  waitMs: number;
  log: Log;
  onEvent?(event: PoolEvent | { type: 'identity-mismatch' } | { type: 'repeated' }): void;
};

/** So that load spreads over standbys and memory of a backend is given back now and then. */
const sessionLifetimeMs = 30 * 60_000;
/** A cluster that answers later than this is not able to serve. */
const connectTimeoutMs = 3_000;
/** Two to three logins long: a second session pays only for a tenant whose statements are long or many. */
const growAfterMs = 25;
/** The server ends what the runtime has not ended by then: a second net below the runtime's own cancel. */
const serverTimeoutMarginMs = 2_000;
/** Between BEGIN and COMMIT of a batch nothing waits for the client, so only a stuck process gets there. */
const idleInTransactionMs = 10_000;

/** Tenants that begin must not take the place of those at work: at most so many logins at once, and half of a pool. */
const preparingMax = 4;
const prepareUpTo = 0.5;

type Target = { route: ServedRoute; access: Access };

export function createTenantPools(deps: TenantPoolsDeps): TenantPools {
  const { sealer, log } = deps;
  const pools = new Map<ClusterId, SessionPool>();
  /** What each pool key means. A key that is not here opens nothing. */
  const targets = new Map<string, Target>();
  const working = new Map<string, Set<Lease>>();
  const retired = new WeakSet<Route>();
  /** Routes whose work was cut because the tenant is no longer served. */
  const cutOff = new WeakSet<Route>();
  const applicationName = `freehold-runtime ${hostname()}`.slice(0, 63);

  const open = async (key: string): Promise<Session> => {
    const target = targets.get(key);
    if (target === undefined) throw new RouteRetired();
    const { database, limits } = target.route;
    const { login, sealed } = database.logins[target.access];
    const password = sealer.open(sealed, secretContext(database.id, login));
    const user = database.users[target.access];
    return openSession(
      { ...database.address, user, password },
      {
        applicationName,
        connectTimeoutMs,
        parameters: {
          statement_timeout: String(limits.statement_timeout_ms + serverTimeoutMarginMs),
          idle_in_transaction_session_timeout: String(idleInTransactionMs),
          ...(target.access === 'ro' && { default_transaction_read_only: 'on' }),
        },
      },
    );
  };

  const poolOf = (clusterId: ClusterId): SessionPool => {
    let pool = pools.get(clusterId);
    if (pool === undefined) {
      pool = createSessionPool({
        open,
        onOpened: async (session, key) => {
          const target = targets.get(key);
          if (target === undefined) throw new RouteRetired();
          await checkIdentity(session, target.route, target.access);
        },
        maxTotal: deps.sessionsPerClusterMax,
        maxPerKey: (key) => targets.get(key)?.route.limits.runtime_sessions_max ?? 1,
        growAfterMs,
        idleMs: deps.idleMs,
        maxLifetimeMs: sessionLifetimeMs,
        reset: true, // tenants send SQL of their own
        onEvent: (event) => deps.onEvent?.(event),
      });
      pools.set(clusterId, pool);
    }
    return pool;
  };

  const attempt = async <T>(
    route: ServedRoute,
    access: Access,
    fn: (session: Session, route: ServedRoute) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> => {
    if (retired.has(route)) throw new RouteRetired();
    const key = route.database.logins[access].poolKey;
    if (!targets.has(key)) targets.set(key, { route, access });
    const lease = await poolOf(route.database.clusterId).lease(key, { signal, waitMs: deps.waitMs });
    // Retired while it waited for the lease: nothing was sent yet.
    if (!targets.has(key)) {
      lease.discard('route retired');
      throw new RouteRetired();
    }
    const leases = working.get(key) ?? new Set();
    working.set(key, leases.add(lease));
    try {
      return await fn(lease.session, route);
    } finally {
      leases.delete(lease);
      if (leases.size === 0) working.delete(key);
      lease.release();
    }
  };

  let preparing = 0;
  const prepare = async (route: ServedRoute): Promise<void> => {
    preparing++;
    try {
      await attempt(route, 'app', async () => {}, AbortSignal.timeout(connectTimeoutMs));
    } catch (err) {
      log.debug({ err, tenant_id: route.tenantId }, 'no session was made ready for a new tenant');
    } finally {
      preparing--;
    }
  };

  /** The route to try once more with, where that is safe and makes sense; else throws what the client gets. */
  const routeForRepeat = async (route: ServedRoute, access: Access, error: unknown): Promise<ServedRoute> => {
    const neverSent = error instanceof ConnectionLostError && error.phase === 'idle';
    if (error instanceof RouteRetired || (neverSent && retired.has(route))) {
      return served(await deps.find(route.tenantId));
    }
    if (neverSent) return route; // a pooled session that had died
    if (isStalePlan(error)) {
      // A migration changed what a prepared statement returns. The server refused it and rolled back, so nothing was done; the
      // other sessions of the tenant hold the same plans and go too.
      void pools.get(route.database.clusterId)?.evict(route.database.logins[access].poolKey);
      return route;
    }
    if (error instanceof IdentityMismatch || isRefusedLogin(error)) {
      const now = served(await deps.reload(route.tenantId));
      if (error instanceof IdentityMismatch) {
        deps.onEvent?.({ type: 'identity-mismatch' });
        log.error(
          { code: 'identity_mismatch', tenant_id: route.tenantId, database_id: route.database.id, found: error.found },
          'a database is not the one its route means; it is refused',
        );
      }
      if (now.generation > route.generation) return now;
      throw unavailable(error);
    }
    throw publicError(route, error);
  };

  const publicError = (route: Route, error: unknown): unknown => {
    // The tenant was suspended while its statement ran: whatever the cut looks like from here.
    if (cutOff.has(route)) return notServed(undefined);
    const lost =
      error instanceof ConnectionLostError || error instanceof IdentityMismatch || error instanceof RouteRetired;
    return lost ? unavailable(error) : error;
  };

  const retire = (route: ServedRoute, access: Access, cut: boolean): void => {
    const { poolKey } = route.database.logins[access];
    targets.delete(poolKey);
    if (cut) for (const lease of working.get(poolKey) ?? []) lease.discard('tenant is no longer served');
    void pools.get(route.database.clusterId)?.evict(poolKey);
  };

  return {
    async use(route, access, fn, signal) {
      try {
        return await attempt(route, access, fn, signal);
      } catch (error) {
        const again = await routeForRepeat(route, access, error);
        deps.onEvent?.({ type: 'repeated' });
        try {
          return await attempt(again, access, fn, signal);
        } catch (second) {
          throw publicError(again, second);
        }
      }
    },
    prepare(route) {
      if (route.database === undefined || preparing >= preparingMax) return;
      const pool = poolOf(route.database.clusterId);
      if (pool.stats().open < deps.sessionsPerClusterMax * prepareUpTo) void prepare(route as ServedRoute);
    },
    replaced(old, now) {
      if (old.database === undefined) return;
      const served = old as ServedRoute;
      const cut = now?.database === undefined;
      if (cut) cutOff.add(old);
      if (now === undefined || now.generation !== old.generation) retired.add(old);
      for (const access of ['app', 'ro'] as const) {
        const { poolKey, sealed } = old.database.logins[access];
        const next = now?.database?.logins[access];
        if (next?.poolKey !== poolKey || next.sealed !== sealed) retire(served, access, cut);
        else if (targets.has(poolKey)) targets.set(poolKey, { route: now as ServedRoute, access });
      }
    },
    stats() {
      const sum = { open: 0, idle: 0, leased: 0, waiting: 0, clusters: pools.size };
      for (const pool of pools.values()) {
        const { open: opened, idle, leased, waiting } = pool.stats();
        sum.open += opened;
        sum.idle += idle;
        sum.leased += leased;
        sum.waiting += waiting;
      }
      return sum;
    },
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.close()));
    },
  };
}

/** The request holds a route that is no longer the current one. Nothing was sent. */
class RouteRetired extends Error {
  constructor() {
    super('the route was replaced while the request was on its way');
    this.name = 'RouteRetired';
  }
}

/** Outside a transaction the driver repeats such a statement itself; inside one the whole transaction has to go again. */
function isStalePlan(error: unknown): boolean {
  return error instanceof PostgresError && error.routine === 'RevalidateCachedQuery';
}

function served(route: Route | undefined): ServedRoute {
  if (route?.database === undefined) throw notServed(route);
  return route as ServedRoute;
}

/** Wrong password, unknown or closed database, no right to connect: what a stale route meets after a move or a rotation. */
function isRefusedLogin(error: unknown): boolean {
  return (
    error instanceof ConnectionLostError && error.phase === 'connect' && /^(28|3D|42|55000)/.test(error.sqlstate ?? '')
  );
}

function unavailable(cause: unknown) {
  const unknownOutcome = cause instanceof ConnectionLostError && cause.phase === 'query';
  return catalogFault(
    'tenant_database_unavailable',
    unknownOutcome
      ? 'The connection to the database was lost while the statement ran. Find out whether a write took effect before you send it again.'
      : 'The database cannot be reached at the moment. Nothing was done; send the request again.',
    { cause, retryAfterMs: 1_000, extra: { retryable: true, outcome: unknownOutcome ? 'unknown' : 'not_done' } },
  );
}
