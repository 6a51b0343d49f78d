// Owns the admin API as an application: the edge, then for every declared route its rule of access and its handler. Anything that
// would answer without a declared rule stops the start of the process.
import { Hono } from 'hono';
import { catalogFault } from '../../catalog/errors.ts';
import type { Edge, EdgeEnv } from '../../platform/http/edge.ts';
import { ConnectionLostError, isTransient } from '../../platform/postgres/errors.ts';
import { authorize, checkAccessRule } from './access.ts';
import { adminRoutes } from './admin-routes.ts';
import type { AdminApiDeps, RouteDeps } from './deps.ts';
import { openApiDocument } from './openapi.ts';
import type { AdminRoute } from './route.ts';

export type AdminApi = Hono<EdgeEnv>;

/** @throws TypeError when a route has no rule of access */
export function createAdminApi(
  deps: AdminApiDeps & { edge: Edge },
  routes: readonly AdminRoute[] = adminRoutes,
): AdminApi {
  const app: AdminApi = new Hono<EdgeEnv>();
  deps.edge.attach(app);
  let openApiText: string | undefined;
  const routeDeps: RouteDeps = {
    ...deps,
    openApiText: () => {
      openApiText ??= JSON.stringify(openApiDocument(routes));
      return openApiText;
    },
  };
  for (const route of routes) {
    checkAccessRule(route);
    const { method, path, access } = route.spec;
    app.on(method.toUpperCase(), honoPath(path), async (c) => {
      try {
        return await route.handle(routeDeps, c, await authorize(deps, access, c));
      } catch (error) {
        throw toCatalogFault(error);
      }
    });
  }
  checkNothingElseAnswers(app, routes);
  return app;
}

/** The door of the OpenAPI form to the form of the router: {tenant} to :tenant. */
function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

/** A route that somebody adds to the application itself would have no rule. Middleware (method ALL) answers nothing by itself. */
function checkNothingElseAnswers(app: AdminApi, routes: readonly AdminRoute[]): void {
  const declared = new Set(routes.map(({ spec }) => `${spec.method.toUpperCase()} ${honoPath(spec.path)}`));
  for (const { method, path } of app.routes) {
    if (method !== 'ALL' && !declared.has(`${method} ${path}`))
      throw new TypeError(`${method} ${path} has no rule of access`);
  }
  if (declared.size !== routes.length) throw new TypeError('two routes have the same method and path');
}

/** A handler never retries: it says that the client may. A statement in flight may have taken effect, hence the Idempotency-Key. */
function toCatalogFault(error: unknown): unknown {
  if (!(error instanceof ConnectionLostError) && !isTransient(error)) return error;
  return catalogFault('catalog_unavailable', 'The catalog cannot be reached at the moment. Try again.', {
    cause: error,
    retryAfterMs: 1_000,
  });
}
