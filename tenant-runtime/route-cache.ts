// Owns the routes in memory. Promises: a hit is one Map lookup; concurrent misses of one tenant are one read; a route
// that is known to be outdated is never used (refuse and reload, never guess); with the catalog away, the last known
// routes are used however old they are (static stability). What changes a route: notified(), revalidateAll(), age.
import { catalogFault } from '../catalog/errors.ts';
import type { TenantId } from '../catalog/ids.ts';
import type { RouteRow } from '../catalog/routes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { createRouteReader, type Route } from './route.ts';
import type { RouteLoader } from './route-loader.ts';

export interface RouteCache {
  /** Undefined: no such tenant. Throws Fault catalog_unavailable when the catalog would have to say and is away. */
  find(tenantId: TenantId): Route | Promise<Route | undefined>;
  /** Read again now, whatever is known. Throws Fault catalog_unavailable. */
  reload(tenantId: TenantId): Promise<Route | undefined>;
  /** The catalog tells that this tenant has reached this generation. */
  notified(tenantId: TenantId, generation: number): void;
  /** Compares every known route with the catalog, in few queries. False when the catalog is away. */
  revalidateAll(): Promise<boolean>;
  /** Routes of a snapshot of this age. */
  restore(rows: readonly RouteRow[], ageMs: number): void;
  rows(): RouteRow[];
  stats(): RouteCacheStats;
}

export type RouteCacheStats = {
  routes: number;
  hits: number;
  misses: number;
  servedWhileAway: number;
  catalogAway: boolean;
  /** Since the longest unconfirmed route was confirmed; 0 without routes. */
  ageMaxMs: number;
  /** Raised at every change, for whoever writes the snapshot. */
  changes: number;
};

export type RouteCacheDeps = {
  loader: RouteLoader;
  fingerprints(tenantIds: readonly TenantId[]): Promise<Map<TenantId, string>>;
  routesMax: number;
  /** Not confirmed for so long: confirmed before the next use. */
  ageMaxMs: number;
  clock: Clock;
  log: Log;
  /** A route was replaced, or is gone. Sessions of the old one are to be closed. */
  onReplaced(old: Route, now: Route | undefined): void;
  /** A tenant has just become ready, and its first request is likely to be on its way. */
  onBorn?(route: Route): void;
};

type Entry = {
  route: Route;
  confirmedAtMs: number;
  /** The highest generation we were told of; above that of the route means that the route is outdated. */
  toldGeneration: number;
};
type Loading = { promise: Promise<Route | undefined>; toldGeneration: number; told: boolean };

/** An unknown tenant costs one query a second, and one that is being created is found a second later even without a notification. */
const unknownForMs = 1_000;
const unknownMax = 10_000;
/** A request that finds the catalog away does not wait again for its time-outs until then. */
const awayForMs = 1_000;
/** Longer than any healthy answer, shorter than what a client waits. */
const loadTimeoutMs = 2_000;
const revalidateBatch = 1_000;
/** A new tenant has 1 until its first move, which makes it ready. */
const bornGeneration = 2;
/** A notification comes after its commit, so the second read sees what the first did not. */
const loadAttemptsMax = 4;

export function createRouteCache(deps: RouteCacheDeps): RouteCache {
  const { loader, clock, log } = deps;
  const entries = new Map<TenantId, Entry>(); // insertion order: the first is the least recently used
  const unknown = new Map<TenantId, number>();
  const loading = new Map<TenantId, Loading>();
  const routeOf = createRouteReader();
  const counts = { hits: 0, misses: 0, servedWhileAway: 0, changes: 0 };
  let awayUntilMs = Number.NEGATIVE_INFINITY;
  let away = false;
  let revalidating: Promise<boolean> | undefined;

  const find = (tenantId: TenantId): Route | Promise<Route | undefined> => {
    const entry = entries.get(tenantId);
    if (entry === undefined) return miss(tenantId);
    entries.delete(tenantId);
    entries.set(tenantId, entry);
    if (entry.toldGeneration > entry.route.generation) return miss(tenantId);
    const nowMs = clock.monotonicMs();
    if (nowMs - entry.confirmedAtMs < deps.ageMaxMs) {
      counts.hits++;
      return entry.route;
    }
    if (nowMs < awayUntilMs) {
      counts.servedWhileAway++;
      return entry.route;
    }
    return miss(tenantId);
  };

  const miss = async (tenantId: TenantId): Promise<Route | undefined> => {
    const untilMs = unknown.get(tenantId);
    if (untilMs !== undefined) {
      if (clock.monotonicMs() < untilMs) return undefined;
      unknown.delete(tenantId);
    }
    counts.misses++;
    try {
      return await load(tenantId);
    } catch (error) {
      const entry = entries.get(tenantId);
      if (entry === undefined || entry.toldGeneration > entry.route.generation) throw unavailable(error);
      counts.servedWhileAway++;
      return entry.route;
    }
  };

  /** One at a time for each tenant: later callers get the result of the first. */
  const load = (tenantId: TenantId): Promise<Route | undefined> => {
    const running = loading.get(tenantId);
    if (running !== undefined) return running.promise;
    const state: Loading = { promise: Promise.resolve(undefined), toldGeneration: 0, told: false };
    loading.set(tenantId, state);
    state.promise = readUntilCurrent(tenantId, state).finally(() => loading.delete(tenantId));
    return state.promise;
  };

  const readUntilCurrent = async (tenantId: TenantId, state: Loading): Promise<Route | undefined> => {
    for (let attempt = 1; ; attempt++) {
      state.told = false;
      const startedMs = clock.monotonicMs();
      const row = await answerOf(loader.load(tenantId));
      const needed = Math.max(state.toldGeneration, entries.get(tenantId)?.toldGeneration ?? 0);
      const outdated = row === undefined ? state.told : row.generation < needed;
      if (outdated && attempt < loadAttemptsMax) continue;
      if (row === undefined) return forget(tenantId);
      if (outdated)
        throw new Error(`the catalog shows generation ${row.generation} of a tenant told to have ${needed}`);
      return keep(routeOf(row), startedMs);
    }
  };

  /** Every outcome of a read tells whether the catalog is there. */
  const answerOf = async <T>(read: Promise<T>): Promise<T> => {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`no answer within ${loadTimeoutMs} ms`)), loadTimeoutMs);
    try {
      const answer = await Promise.race([read, late.promise]);
      if (away) log.info('the catalog answers again');
      away = false;
      awayUntilMs = Number.NEGATIVE_INFINITY;
      return answer;
    } catch (err) {
      if (!away) log.warn({ err }, 'the catalog does not answer: known routes are served as they are');
      away = true;
      awayUntilMs = clock.monotonicMs() + awayForMs;
      throw err;
    } finally {
      clearTimeout(timer);
    }
  };

  const keep = (route: Route, confirmedAtMs: number): Route => {
    unknown.delete(route.tenantId);
    const entry = entries.get(route.tenantId);
    if (entry === undefined) {
      entries.set(route.tenantId, { route, confirmedAtMs, toldGeneration: route.generation });
      counts.changes++;
      if (entries.size > deps.routesMax) drop(entries.keys().next().value as TenantId);
      return route;
    }
    if (route.generation < entry.route.generation) return entry.route; // read before a change that we know already
    entry.confirmedAtMs = confirmedAtMs;
    if (route.fingerprint === entry.route.fingerprint) return entry.route;
    const old = entry.route;
    entry.route = route;
    counts.changes++;
    deps.onReplaced(old, route);
    return route;
  };

  const forget = (tenantId: TenantId): undefined => {
    unknown.delete(tenantId);
    unknown.set(tenantId, clock.monotonicMs() + unknownForMs);
    if (unknown.size > unknownMax) unknown.delete(unknown.keys().next().value as TenantId);
    drop(tenantId);
  };

  const drop = (tenantId: TenantId): void => {
    const entry = entries.get(tenantId);
    if (entry === undefined) return;
    entries.delete(tenantId);
    counts.changes++;
    deps.onReplaced(entry.route, undefined);
  };

  const born = (tenantId: TenantId): void => {
    load(tenantId).then(
      (route) => route !== undefined && deps.onBorn?.(route),
      () => {}, // the first request tries again
    );
  };

  const revalidate = async (): Promise<boolean> => {
    const ids = [...entries.keys()];
    try {
      for (let at = 0; at < ids.length || at === 0; at += revalidateBatch) {
        const startedMs = clock.monotonicMs();
        const batch = ids.slice(at, at + revalidateBatch);
        const found = await answerOf(deps.fingerprints(batch)); // with no route known, still the probe of the catalog
        const changed = batch.filter((id) => {
          const entry = entries.get(id);
          if (entry === undefined) return false;
          if (found.get(id) !== entry.route.fingerprint) return true;
          entry.confirmedAtMs = startedMs;
          return false;
        });
        await Promise.all(changed.map(load));
      }
      return true;
    } catch {
      return false; // answerOf has said it
    }
  };

  return {
    find,
    async reload(tenantId) {
      try {
        return await load(tenantId);
      } catch (error) {
        throw unavailable(error);
      }
    },
    notified(tenantId, generation) {
      unknown.delete(tenantId);
      const running = loading.get(tenantId);
      if (running !== undefined) {
        running.told = true;
        running.toldGeneration = Math.max(running.toldGeneration, generation);
      }
      const entry = entries.get(tenantId);
      if (entry === undefined) {
        // Read ahead, where it pushes no other route out; told of later changes, tenants that are not used here stay unknown.
        if (generation === bornGeneration && entries.size < deps.routesMax) born(tenantId);
        return;
      }
      if (generation < entry.toldGeneration) return;
      // The same generation can be told twice, with a new epoch; reading it again costs little.
      if (generation > entry.toldGeneration) entry.toldGeneration = generation;
      load(tenantId).catch(() => {}); // the next request tries again
    },
    revalidateAll() {
      revalidating ??= revalidate().finally(() => {
        revalidating = undefined;
      });
      return revalidating;
    },
    restore(rows, ageMs) {
      const confirmedAtMs = clock.monotonicMs() - ageMs;
      for (const row of rows.slice(0, deps.routesMax)) {
        if (!entries.has(row.tenant_id)) keep(routeOf(row), confirmedAtMs);
      }
    },
    rows: () => [...entries.values()].map((entry) => entry.route.row),
    stats: () => ({
      routes: entries.size,
      hits: counts.hits,
      misses: counts.misses,
      servedWhileAway: counts.servedWhileAway,
      catalogAway: away,
      ageMaxMs: oldestMs(entries, clock.monotonicMs()),
      changes: counts.changes,
    }),
  };
}

function unavailable(cause: unknown) {
  return catalogFault('catalog_unavailable', 'This tenant cannot be looked up at the moment. Try again shortly.', {
    cause,
    retryAfterMs: 1_000,
  });
}

/** Looked at by the metrics page only. */
function oldestMs(entries: Map<TenantId, Entry>, nowMs: number): number {
  let oldest = 0;
  for (const entry of entries.values()) oldest = Math.max(oldest, nowMs - entry.confirmedAtMs);
  return oldest;
}
