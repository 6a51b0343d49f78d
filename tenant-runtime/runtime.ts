// Owns the composition of one runtime: what is made of what. Making it opens nothing; start() gets keys and routes, from the
// catalog or, while that is away, from the snapshot; stop() closes what it opened. Ports are main.ts's business.
import { hostname } from 'node:os';
import type { Hono } from 'hono';
import { giveBackRuntimeShares, takeRuntimeShares } from '../catalog/connection-shares.ts';
import { newId } from '../catalog/ids.ts';
import { openCatalog } from '../catalog/open-catalog.ts';
import { askMigration, beat, findRouteFingerprints, findRoutes, listVerificationKeys } from '../catalog/routes.ts';
import { createShareHolder, type ShareHolder } from '../catalog/share-holder.ts';
import type { Clock } from '../platform/clock.ts';
import { createEdge, type EdgeEnv } from '../platform/http/edge.ts';
import type { Log } from '../platform/log.ts';
import type { Metrics } from '../platform/metrics.ts';
import { parseAddress } from '../platform/postgres/address.ts';
import { openSession } from '../platform/postgres/session.ts';
import { createRateCounter } from '../platform/rate-counter.ts';
import { createSealer, parseSealingKeys } from '../platform/sealing.ts';
import { createVerifiedTokenCache } from '../platform/verified-token-cache.ts';
import { admitByTenant } from './admission.ts';
import { createRuntimeApp, type RuntimeAppDeps, sqlPath } from './app.ts';
import type { RuntimeConfig } from './config.ts';
import { createGraphqlLoader } from './graphql/load-graphql-api.ts';
import { createTenantResolver } from './resolve-tenant.ts';
import { readSchema, restSchemasMax } from './rest/read-schema.ts';
import { problemMembers } from './rest/rest-error.ts';
import { createRouteCache, type RouteCache } from './route-cache.ts';
import { createRouteChanges, type RouteChanges } from './route-changes.ts';
import { createRouteLoader } from './route-loader.ts';
import { createRouteSnapshot } from './route-snapshot.ts';
import { poolEvents, refusals, watchRuntime } from './runtime-metrics.ts';
import { createSchemaGate } from './schema-gate.ts';
import { createSchemaStore } from './schema-store.ts';
import { createTenantPools, type TenantPools } from './tenant-pools.ts';
import { createVerificationKeys, type VerificationKeys } from './verification-keys.ts';
import { countByVersion, createVersionFigures } from './version-figures.ts';

export type Runtime = {
  /** What the standalone server answers with. */
  readonly app: Hono<EdgeEnv>;
  /** What it is made of, for a product that answers with its own. */
  readonly doors: RuntimeAppDeps;
  readonly pools: TenantPools;
  readonly routes: RouteCache;
  readonly keys: VerificationKeys;
  readonly changes: RouteChanges;
  start(): Promise<void>;
  /** Turns readiness off at once, then closes. Requests in flight are main's to wait for before. */
  stop(): Promise<void>;
  drain(): void;
};

export type RuntimeDeps = { config: RuntimeConfig; version: string; log: Log; metrics: Metrics; clock: Clock };

/** A change of a route reaches the disk after this; a new tenant may be unknown to a restart without the catalog for so long. */
const snapshotMs = 10_000;
/** As long as an instance counts as live without a word. */
const leaseHeartbeats = 3;

export function createRuntime({ config, version, log, metrics, clock }: RuntimeDeps): Runtime {
  const address = parseAddress(config.runtimeCatalogUrl);
  const sealer = createSealer(parseSealingKeys(config.sealingKeys));
  const catalog = openCatalog({
    address,
    sessionsMax: config.runtimeCatalogSessionsMax,
    applicationName: 'freehold-runtime-catalog',
    log,
  });
  const tokens = createVerifiedTokenCache({ maxEntries: config.runtimeTokensMax, clock });
  const keys = createVerificationKeys({
    list: () => listVerificationKeys(catalog.db),
    issuers: config.runtimeIssuers,
    tokens,
    clock,
    log,
  });
  const routes: RouteCache = createRouteCache({
    loader: createRouteLoader({ find: (ids) => findRoutes(catalog.db, ids) }),
    fingerprints: (ids) => findRouteFingerprints(catalog.db, ids),
    routesMax: config.runtimeRoutesMax,
    ageMaxMs: config.runtimeRouteAgeMaxMs,
    clock,
    log,
    onReplaced: (old, now) => pools.replaced(old, now),
    onBorn: (route) => pools.prepare(route),
  });
  const figures = createVersionFigures(clock);
  const instanceId = newId('runtimeInstance');
  const shares: ShareHolder = createShareHolder({
    take: (nr, leaseMs, reports) =>
      takeRuntimeShares(catalog.db, { holderId: instanceId, host: hostname(), pid: process.pid, nr, leaseMs, reports }),
    giveBack: () => giveBackRuntimeShares(catalog.db, instanceId),
    usage: (clusterId) => pools.usage(clusterId),
    most: config.runtimeSessionsPerClusterMax,
    onChange: (clusterId) => pools.shareChanged(clusterId),
    leaseMs: leaseHeartbeats * config.runtimeHeartbeatMs,
    clock,
    log,
  });
  const refused = refusals(metrics);
  const counter = createRateCounter({ url: config.runtimeLimitsUrl, log });
  const counted: TenantPools = countByVersion(
    createTenantPools({
      sealer,
      find: (tenantId) => routes.find(tenantId),
      reload: (tenantId) => routes.reload(tenantId),
      shares,
      instanceId,
      clock,
      idleMs: config.runtimeSessionIdleMs,
      waitMs: config.runtimeSessionWaitMs,
      log,
      onEvent: poolEvents(metrics),
    }),
    figures,
  );
  const pools = admitByTenant(counted, () => refused('queue'));
  const changes = createRouteChanges({
    open: (onNotify) => openSession(address, { applicationName: 'freehold-runtime-listener', onNotify }),
    routes,
    keys,
    routeRefreshMs: config.runtimeRouteRefreshMs,
    log,
  });
  const schema = createSchemaGate({
    range: { min: config.runtimeSchemaMin ?? null, max: config.runtimeSchemaMax ?? null },
    ask: (tenantId) => askMigration(catalog.db, tenantId),
    log,
  });
  const graphql = createGraphqlLoader({ pools, reload: (tenantId) => routes.reload(tenantId), log }, config);
  watchRuntime(metrics, { routes, keys, tokens, pools, changes, shares, counter, graphql });

  const state = { ready: false, draining: false };
  const doors: RuntimeAppDeps = {
    edge: createEdge({
      log,
      metrics,
      bodyLimitBytes: config.runtimeBodyBytesMax,
      deadlineMs: config.runtimeDeadlineMs,
      untypedJsonPaths: [sqlPath], // Neon's driver sends text/plain
      accessLog: 'failures',
      problemMembers,
    }),
    resolver: createTenantResolver({ keys, tokens, routes, clock, schema }),
    pools,
    graphql: { api: graphql.load, batchMax: config.runtimeGraphqlBatchMax },
    limits: {
      counter,
      clientIpHeader: config.runtimeClientIpHeader,
      refusedTokensMax: config.runtimeRefusedTokensPerMinute,
      onRefused: refused,
    },
    schemas: createSchemaStore({ build: readSchema, schemasMax: restSchemasMax }),
    isReady: () => !state.draining && (state.ready || keys.stats().keys > 0),
  };

  const snapshot =
    config.runtimeSnapshotFile === undefined
      ? undefined
      : createRouteSnapshot({ file: config.runtimeSnapshotFile, sealer, clock, log });
  let savedChanges = 0;
  const save = async () => {
    const changesNow = routes.stats().changes + keys.stats().changes;
    if (snapshot === undefined || changesNow === savedChanges) return;
    savedChanges = changesNow;
    await snapshot.write({ routes: routes.rows(), keys: keys.views() });
  };

  const instance = {
    instanceId,
    host: hostname(),
    pid: process.pid,
    version,
    startedAt: clock.now(),
  };
  const heartbeat = async () => {
    const { open, leased, waiting } = pools.stats();
    const { routes: known, ageMaxMs } = routes.stats();
    const stats = {
      routes: known,
      route_age_ms: Math.round(ageMaxMs),
      sessions: open,
      leased,
      waiting,
      schema_range: schema.range,
      by_version: figures.read(),
    };
    await beat(catalog.db, { ...instance, stats });
  };
  const timers: NodeJS.Timeout[] = [];
  const every = (ms: number, act: () => Promise<void>) => {
    let running = false; // a slow catalog must not gather heartbeats
    const turn = async () => {
      if (running) return;
      running = true;
      await act().catch((err: unknown) => log.debug({ err }, 'the catalog did not take it'));
      running = false;
    };
    timers.push(setInterval(() => void turn(), ms).unref());
    return turn();
  };

  return {
    app: createRuntimeApp(doors),
    doors,
    pools,
    routes,
    keys,
    changes,
    async start() {
      const fromCatalog = await keys.refresh();
      state.ready = fromCatalog;
      if (!fromCatalog) {
        log.warn('the catalog does not answer at start: trying the snapshot');
        const last = await snapshot?.read();
        if (last !== undefined) {
          await keys.restore(last.keys, last.ageMs);
          routes.restore(last.routes, last.ageMs);
          log.warn({ routes: last.routes.length, age_ms: last.ageMs }, 'serving the last known routes');
        }
      }
      changes.start();
      void every(config.runtimeHeartbeatMs, heartbeat);
      void every(snapshotMs, save);
    },
    drain() {
      state.draining = true;
    },
    async stop() {
      state.draining = true;
      for (const timer of timers) clearInterval(timer);
      await changes.close();
      await save();
      await pools.close();
      await shares.close();
      counter.close();
      await catalog.close();
    },
  };
}
