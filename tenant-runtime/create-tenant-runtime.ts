// Owns the face of the runtime as a library: what a product in TypeScript builds its own API with, and what the standalone
// server is made of. One runtime for a process; start() before the first request, stop() after the last.
import type { Hono, MiddlewareHandler } from 'hono';
import { type Clock, systemClock } from '../platform/clock.ts';
import { loadConfig } from '../platform/config.ts';
import type { Edge, EdgeEnv } from '../platform/http/edge.ts';
import { createLog, type Log, logLevelOf } from '../platform/log.ts';
import { createMetrics, type Metrics, metricsApp } from '../platform/metrics.ts';
import { type RuntimeConfig, runtimeConfig } from './config.ts';
import { type TenantEnv, type TenantOptions, tenantMiddleware } from './library/tenant-middleware.ts';
import { rateLimits } from './rate-limits.ts';
import { createRuntime } from './runtime.ts';

export type { Tenant, TenantClaims, TenantLog } from './library/tenant.ts';
export type { TenantEnv, TenantOptions } from './library/tenant-middleware.ts';

export type TenantRuntimeOptions = {
  /** Where the FREEHOLD_RUNTIME_* settings stand; CONFIGURATION.md lists them. Usually process.env. */
  env: Readonly<Record<string, string | undefined>>;
  /** Of the product, for the list of runtimes in the admin API. */
  version?: string;
  log?: Log;
  metrics?: Metrics;
  clock?: Clock;
};

type Middleware = MiddlewareHandler<EdgeEnv>;

export type TenantRuntime<DB> = {
  /** Request id, bounds of the body, deadline and problem documents for every route of `app`. Before any route is added. */
  attach: Edge['attach'];
  /** Counts the request by the limits of the plan, then puts the tenant of the token on it: `app.use(path, ...tenant())`. */
  tenant(options?: TenantOptions): [Middleware, Middleware, MiddlewareHandler<TenantEnv<DB>>];
  /** What the standalone server answers: /v1/sql, /v1/graphql and the others, with its probes. To be mounted, or not. */
  readonly dataApi: Hono<EdgeEnv>;
  /** The page that Prometheus reads; on a port of its own. */
  readonly metricsPage: ReturnType<typeof metricsApp>;
  readonly config: RuntimeConfig;
  readonly log: Log;
  /** False until keys are known, and from drain() on. */
  isReady(): boolean;
  start(): Promise<void>;
  /** Turns readiness off; requests go on. */
  drain(): void;
  /** Closes all sessions. */
  stop(): Promise<void>;
};

/** Opens nothing yet. @throws ConfigError with every setting that is wrong */
export function createTenantRuntime<DB = unknown>(options: TenantRuntimeOptions): TenantRuntime<DB> {
  const { env, version = 'unknown', clock = systemClock, metrics = createMetrics() } = options;
  const log = options.log ?? createLog({ name: 'tenant-runtime', level: logLevelOf(env.FREEHOLD_LOG_LEVEL) });
  // Variables of the control plane and of the product often stand beside ours.
  const ofOthers = Object.keys(env).filter((name) => !name.startsWith('FREEHOLD_RUNTIME_'));
  const config = loadConfig(runtimeConfig, env, { alsoKnown: ofOthers });
  const runtime = createRuntime({ config, version, log, metrics, clock });
  const { edge, resolver, pools, limits, isReady } = runtime.doors;
  return {
    attach: edge.attach,
    tenant: (tenantOptions) => [
      ...rateLimits({ resolver, ...limits }),
      tenantMiddleware<DB>({ resolver, pools, log }, tenantOptions),
    ],
    dataApi: runtime.app,
    metricsPage: metricsApp(metrics),
    config,
    log,
    isReady,
    start: runtime.start,
    drain: runtime.drain,
    stop: runtime.stop,
  };
}
