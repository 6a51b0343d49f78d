// Owns /v1/graphql: operations on the tenant's schema, by GraphQL over HTTP; by POST, and queries by GET too. Scope `graphql` reads and writes, `graphql:read`
// sees a schema without mutations and runs as the read-only login. An array of requests is a batch: each is answered for
// itself, one after the other, in a transaction of its own.
import type { Context } from 'hono';
import type { EdgeEnv } from '../../platform/http/edge.ts';
import { toFault } from '../../platform/http/problem.ts';
import { runtimeFault } from '../errors.ts';
import type { GraphqlApi } from '../graphql/create-graphql-api.ts';
import type { Answered } from '../graphql/graphql-answer.ts';
import type { TenantResolver } from '../resolve-tenant.ts';
import { requestContext } from '../tenant-transaction.ts';

export type GraphqlDeps = {
  resolver: TenantResolver;
  /** Loads what it needs at its first call. */
  api(): Promise<GraphqlApi>;
  batchMax: number;
};

export function graphqlEndpoint({ resolver, api, batchMax }: GraphqlDeps) {
  return async (c: Context<EdgeEnv>): Promise<Response> => {
    const tenant = await resolver.resolve(c.req.header('authorization'));
    const context = requestContext('graphql', tenant, c.req);
    const { answer, faultAnswer } = await api();
    const signal = c.get('deadline');
    const type = mediaType(c.req.header('accept'));
    if (c.req.method !== 'POST') {
      const params = new URL(c.req.url).searchParams;
      return respond(await answer(tenant, context, params, signal, { queryOnly: true }), type);
    }
    const body = c.get('jsonBody');
    if (!Array.isArray(body)) return respond(await answer(tenant, context, body, signal), type);
    if (body.length > batchMax || body.length === 0) {
      const message = `A batch has 1 to ${batchMax} operations; this one has ${body.length}.`;
      return respond(faultAnswer(runtimeFault('batch_too_large', message)), type);
    }
    const parts: string[] = [];
    for (const each of body) {
      // Those before it are answered and may have written, so what stops one is told in its place.
      const part = await answer(tenant, context, each, signal).catch((error) => faultAnswer(toFault(error)));
      parts.push(part.json);
    }
    return respond({ status: 200, json: `[${parts.join(',')}]` }, type);
  };
}

const specified = 'application/graphql-response+json';

/** Older clients know plain JSON only. */
function mediaType(accept: string | undefined): string {
  return accept?.includes(specified) ? `${specified}; charset=utf-8` : 'application/json; charset=utf-8';
}

function respond({ status, json }: Answered, type: string): Response {
  const allowed = status === 405 ? { allow: 'POST' } : {};
  return new Response(json, { status, headers: { 'content-type': type, ...allowed } });
}
