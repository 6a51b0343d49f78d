// Owns the doors of the runtime: which path leads to which endpoint, and what a probe is told.
import { Hono } from 'hono';
import type { Edge, EdgeEnv } from '../platform/http/edge.ts';
import { type GraphqlDeps, graphqlEndpoint } from './endpoints/graphql.ts';
import { restEndpoint } from './endpoints/rest.ts';
import { sqlEndpoint } from './endpoints/sql.ts';
import { tenantEndpoint } from './endpoints/tenant.ts';
import { type RateLimitDeps, rateLimits } from './rate-limits.ts';
import type { TenantResolver } from './resolve-tenant.ts';
import { restPath } from './rest/rest-error.ts';
import type { TenantSchema } from './rest/tenant-schema.ts';
import type { SchemaStore } from './schema-store.ts';
import type { TenantPools } from './tenant-pools.ts';

export const sqlPath = '/v1/sql';
export const graphqlPath = '/v1/graphql';

export type RuntimeAppDeps = {
  edge: Edge;
  resolver: TenantResolver;
  pools: TenantPools;
  graphql: Omit<GraphqlDeps, 'resolver'>;
  limits: Omit<RateLimitDeps, 'resolver'>;
  /** Of the REST API. */
  schemas: SchemaStore<TenantSchema>;
  /** Keys are known, and no stop was asked for. A catalog that is away does not make a runtime unready. */
  isReady(): boolean;
};

export function createRuntimeApp({
  edge,
  resolver,
  pools,
  limits,
  graphql,
  schemas,
  isReady,
}: RuntimeAppDeps): Hono<EdgeEnv> {
  const app = new Hono<EdgeEnv>();
  edge.attach(app);
  app.get('/livez', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', (c) => (isReady() ? c.json({ status: 'ready' }) : c.json({ status: 'not ready' }, 503)));
  app.use('/v1/*', ...rateLimits({ resolver, ...limits }));
  app.get('/v1/tenant', tenantEndpoint({ resolver }));
  app.post(sqlPath, sqlEndpoint({ resolver, pools }));
  app.on(['GET', 'POST'], graphqlPath, graphqlEndpoint({ resolver, ...graphql }));
  const rest = restEndpoint({ resolver, pools, schemas });
  for (const path of ['', '/', '/:table', '/rpc/:function', '/*']) app.all(`${restPath}${path}`, rest);
  return app;
}
