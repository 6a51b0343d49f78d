// Owns GET /v1/tenant: what a token is good for, asked with that token, so any scope will do. No address of a cluster and no
// name of a database is in the answer.
import type { Context } from 'hono';
import type { EdgeEnv } from '../../platform/http/edge.ts';
import type { TenantResolver } from '../resolve-tenant.ts';

export function tenantEndpoint({ resolver }: { resolver: TenantResolver }) {
  return async (c: Context<EdgeEnv>): Promise<Response> => {
    const { claims, route } = await resolver.resolve(c.req.header('authorization'));
    return c.json({
      tenant_id: route.tenantId,
      state: route.state,
      plan: route.planId,
      limits: route.limits,
      schema: Object.fromEntries(Object.entries(route.lanes).map(([lane, { version }]) => [lane, version])),
      token: {
        sub: claims.sub,
        scopes: [...claims.scope].sort(),
        expires_at: new Date(claims.exp * 1000).toISOString(),
      },
    });
  };
}
