// Owns the sessions into tenant databases. Promises: a session serves one database, one login and one generation of the route; before its first
// use it has said which database it is in and whom that belongs to (N04, N06); when a tenant stops being served, its
// sessions are closed, also those at work; a request is repeated once, and only where nothing of it was sent.
import type { ClusterId, TenantId } from '../catalog/ids.ts';
import { secretContext } from '../catalog/names.ts';
import type { ShareHolder, ShareUsage } from '../catalog/share-holder.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { ConnectionLostError } from '../platform/postgres/errors.ts';
import { openSession, type Session } from '../platform/postgres/session.ts';
import type { Lease } from '../platform/postgres/session-lease.ts';
import type { PoolEvent, PoolStats } from '../platform/postgres/session-pool.ts';
import type { Sealer } from '../platform/sealing.ts';
import { checkIdentity, IdentityMismatch, identityCheck } from './check-identity.ts';
import { createClusterBreaker } from './cluster-breaker.ts';
import { createClusterPools } from './cluster-pools.ts';
import { notServed } from './resolve-tenant.ts';
import { isRefusedLogin, isStalePlan, RouteRetired, unavailable, wasNeverSent } from './retry-rules.ts';
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
  /** For the reports of the share holder. */
  usage(clusterId: ClusterId): ShareUsage;
  shareChanged(clusterId: ClusterId): void;
  /** Clusters that take no connections. */
  away(): ClusterId[];
  stats(): PoolStats & { clusters: number };
  close(): Promise<void>;
}

export type TenantPoolsDeps = {
  sealer: Sealer;
  /** What the route cache knows. */
  find(tenantId: TenantId): Route | undefined | Promise<Route | undefined>;
  /** What the catalog says now. */
  reload(tenantId: TenantId): Promise<Route | undefined>;
  shares: Pick<ShareHolder, 'mayOpen' | 'hurry' | 'cutOff'>;
  /** Shown to the server with each session: whose it is. */
  instanceId: string;
  idleMs: number;
  waitMs: number;
  clock: Clock;
  log: Log;
  onEvent?(event: PoolEvent | { type: 'identity-mismatch' } | { type: 'repeated' }): void;
};

/** A cluster that answers later than this is not able to serve. */
const connectTimeoutMs = 3_000;
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
  /** What each pool key means. A key that is not here opens nothing. */
  const targets = new Map<string, Target>();
  const working = new Map<string, Set<Lease>>();
  const retired = new WeakSet<Route>();
  /** Routes whose work was cut because the tenant is no longer served. */
  const cutOff = new WeakSet<Route>();
  const applicationName = `freehold-runtime ${deps.instanceId}`;
  const breaker = createClusterBreaker({ clock: deps.clock, log });

  const open = async (key: string): Promise<Session> => {
    const target = targets.get(key);
    if (target === undefined) throw new RouteRetired();
    const { database, limits } = target.route;
    const { login, sealed } = database.logins[target.access];
    const password = sealer.open(sealed, secretContext(database.id, login));
    const user = database.users[target.access];
    const address = { ...database.address, user, password };
    return breaker.guard(database.clusterId, () =>
      openSession(address, {
        applicationName,
        connectTimeoutMs,
        parameters: {
          statement_timeout: String(limits.statement_timeout_ms + serverTimeoutMarginMs),
          idle_in_transaction_session_timeout: String(idleInTransactionMs),
          ...(target.access === 'ro' && { default_transaction_read_only: 'on' }),
        },
        ...(database.pooled && { pooler: identityCheck(target.route, target.access) }),
      }),
    );
  };

  const pools = createClusterPools({
    open,
    onOpened: async (session, key) => {
      const target = targets.get(key);
      if (target === undefined) throw new RouteRetired();
      await checkIdentity(session, target.route, target.access);
    },
    maxPerKey: (key) => targets.get(key)?.route.limits.runtime_sessions_max ?? 1,
    shares: deps.shares,
    idleMs: (key) => targets.get(key)?.route.limits.session_idle_ms ?? deps.idleMs,
    onEvent: (event) => deps.onEvent?.(event),
  });

  const attempt = async <T>(
    route: ServedRoute,
    access: Access,
    fn: (session: Session, route: ServedRoute) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> => {
    if (retired.has(route)) throw new RouteRetired();
    const key = route.database.logins[access].poolKey;
    if (!targets.has(key)) targets.set(key, { route, access });
    const lease = await pools.lease(route.database.clusterId, key, { signal, waitMs: deps.waitMs });
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
    const neverSent = wasNeverSent(error);
    if (error instanceof RouteRetired || (neverSent && retired.has(route))) {
      return served(await deps.find(route.tenantId));
    }
    if (neverSent) return route; // a pooled session that had died
    if (isStalePlan(error)) {
      // A migration changed what a prepared statement returns. The server refused it and rolled back, so nothing was done; the
      // other sessions of the tenant hold the same plans and go too.
      pools.evict(route.database.clusterId, route.database.logins[access].poolKey);
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
    pools.evict(route.database.clusterId, poolKey);
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
      if (route.database === undefined || !route.limits.warm_up || preparing >= preparingMax) return;
      if (pools.fullness(route.database.clusterId) < prepareUpTo) void prepare(route as ServedRoute);
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
    usage: (clusterId) => pools.usage(clusterId),
    shareChanged: (clusterId) => pools.shareChanged(clusterId),
    away: () => breaker.away(),
    stats: () => pools.stats(),
    close: () => pools.close(),
  };
}

function served(route: Route | undefined): ServedRoute {
  if (route?.database === undefined) throw notServed(route);
  return route as ServedRoute;
}
