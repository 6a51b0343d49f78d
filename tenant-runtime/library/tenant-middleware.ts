// Owns the middleware that gives a product's handlers their tenant: token → tenant → c.var.tenant → handler → end of the
// transaction, before the answer goes out. An answer of 400 and above, like a throw, keeps nothing.
import type { Context, MiddlewareHandler } from 'hono';
import { catalogFault } from '../../catalog/errors.ts';
import type { EdgeEnv } from '../../platform/http/edge.ts';
import type { Log } from '../../platform/log.ts';
import type { IsolationLevel } from '../../platform/postgres/session.ts';
import type { TenantContext, TenantResolver } from '../resolve-tenant.ts';
import type { Access } from '../route.ts';
import type { TenantPools } from '../tenant-pools.ts';
import { createRequestDatabase, type RequestDatabase, type TransactionMode } from './request-database.ts';
import { createTenant, type Tenant } from './tenant.ts';

export type TenantEnv<DB> = EdgeEnv & { Variables: { tenant: Tenant<DB> } };

export type TenantOptions = {
  /**
   * `request` (default): one transaction, kept when the handler succeeds. `statement`: each statement and each
   * `tenant.transaction` by itself, for handlers that wait for somebody else between two of them.
   */
  transaction?: TransactionMode;
  /** The read-only login, whatever the token allows. */
  readOnly?: boolean;
  isolation?: IsolationLevel;
  /** The answer's body still reads from the database while it is sent: the session is given back when it has ended. */
  streams?: boolean;
};

export type MiddlewareDeps = { resolver: TenantResolver; pools: TenantPools; log: Log };

export function tenantMiddleware<DB>(
  { resolver, pools, log }: MiddlewareDeps,
  { transaction = 'request', readOnly = false, isolation, streams = false }: TenantOptions = {},
): MiddlewareHandler<TenantEnv<DB>> {
  return async (c, next) => {
    const signal = c.get('deadline') as AbortSignal | undefined;
    if (signal === undefined) throw new Error('call attach(app) before the middleware of the tenant is used');
    const resolved = await resolver.resolve(c.req.header('authorization'));
    const context = {
      access: readOnly ? ('ro' as const) : accessOf(resolved),
      settings: {
        'request.jwt.claims': resolved.claimsJson,
        'request.method': c.req.method,
        'request.path': c.req.path,
      },
    };
    const options = isolation === undefined ? {} : { isolation };
    const database = createRequestDatabase({ pools, tenant: resolved, context, signal }, transaction, options);
    c.set('tenant', createTenant<DB>(resolved, database, signal, log));
    try {
      await next();
    } catch (error) {
      await database.end(false).catch(() => {}); // its own error is the one that counts
      throw error;
    }
    const keep = c.error === undefined && c.res.status < 400;
    if (keep && streams && c.res.body !== null) return endWithBody(c, database, log);
    if (keep) await database.end(true);
    else await database.end(false).catch(() => {});
  };
}

/** Writers and readers of the data APIs are those of a product too. @throws Fault scope_missing */
function accessOf({ claims: { scope } }: TenantContext): Access {
  if (scope.has('sql') || scope.has('rest') || scope.has('graphql')) return 'app';
  if (scope.has('sql:read') || scope.has('rest:read') || scope.has('graphql:read')) return 'ro';
  throw catalogFault('scope_missing', 'The token needs a scope that reads or writes, such as rest or rest:read.', {
    extra: { needed: ['rest', 'rest:read'] },
  });
}

/** The same answer; its transaction ends with its body, kept only where the body came to its end. */
function endWithBody(c: Context, database: RequestDatabase, log: Log): void {
  const reader = (c.res.body as ReadableStream<Uint8Array>).getReader();
  const end = (keep: boolean) =>
    database.end(keep).catch((err: unknown) => log.error({ err }, 'the transaction of a streamed answer failed'));
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        await end(true);
        controller.close();
      } catch (error) {
        await end(false);
        throw error;
      }
    },
    async cancel(reason) {
      await end(false);
      await reader.cancel(reason);
    },
  });
  c.res = new Response(body, c.res);
}
