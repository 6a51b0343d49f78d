// Owns what a route of the admin API is: method and path, who may call it, what goes in, what comes out, which faults a caller
// should expect and which audit entry it leaves, all beside its handler. The OpenAPI document, the access table and the checks
// of a request are made from it. A route without a rule of access does not compile and is refused when the app is built.
import type { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Caller } from '../../catalog/caller.ts';
import type { CatalogFaultCode } from '../../catalog/errors.ts';
import type { AdminRole } from '../../catalog/roles.ts';
import type { EdgeEnv } from '../../platform/http/edge.ts';
import type { RouteDeps } from './deps.ts';
import { readRequest } from './read-request.ts';

/** The roles that may call a route; 'public' needs no key at all. */
export type Access = readonly [AdminRole, ...AdminRole[]] | 'public';

export type Method = 'get' | 'post' | 'patch' | 'delete';
type Fields = z.ZodObject | undefined;
type Body = z.ZodType | undefined;

export type RouteSpec<A extends Access, P extends Fields, Q extends Fields, H extends Fields, B extends Body> = {
  readonly method: Method;
  readonly path: `/${string}`;
  readonly operationId: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly access: A;
  /** The action in the audit. A route that is not GET has one, or says in `unaudited` why it needs none. */
  readonly audit?: string;
  readonly unaudited?: string;
  readonly params?: P;
  readonly query?: Q;
  /** Names in lower case. Other headers of the request are left alone. */
  readonly headers?: H;
  readonly body?: B;
  readonly answers: Readonly<Record<number, RouteAnswer>>;
  /** Beyond what every route may answer (invalid input, no key, wrong role, internal). */
  readonly faults?: readonly (CatalogFaultCode | 'not_found')[];
};

export type RouteAnswer = {
  readonly description: string;
  readonly schema?: z.ZodType;
  /** Default application/json. */
  readonly contentType?: string;
  readonly headers?: readonly AnswerHeader[];
};

export type AnswerHeader = 'ETag' | 'Location' | 'Retry-After' | 'Preference-Applied' | 'Idempotent-Replayed' | 'Link';

type Out<T extends z.ZodType | undefined> = T extends z.ZodType ? z.output<T> : Record<never, never>;

export type AdminContext = Context<EdgeEnv>;

export type AdminRequest<A extends Access, P extends Fields, Q extends Fields, H extends Fields, B extends Body> = {
  readonly c: AdminContext;
  readonly caller: A extends 'public' ? undefined : Caller;
  readonly params: Out<P>;
  readonly query: Out<Q>;
  readonly headers: Out<H>;
  readonly body: Out<B>;
};

/** A request to any guarded route, for what several handlers share. */
export type GuardedRequest = { readonly c: AdminContext; readonly caller: Caller };

export type AnyRouteSpec = RouteSpec<Access, Fields, Fields, Fields, Body>;

export type AdminRoute = {
  readonly spec: AnyRouteSpec;
  handle(deps: RouteDeps, c: AdminContext, caller: Caller | undefined): Promise<Response>;
};

export function defineRoute<
  const A extends Access,
  P extends Fields = undefined,
  Q extends Fields = undefined,
  H extends Fields = undefined,
  B extends Body = undefined,
>(
  spec: RouteSpec<A, P, Q, H, B>,
  handler: (deps: RouteDeps, request: AdminRequest<A, P, Q, H, B>) => Promise<Response> | Response,
): AdminRoute {
  const anySpec = spec as AnyRouteSpec;
  return {
    spec: anySpec,
    handle: async (deps, c, caller) => {
      // The one place where the schemas and the types made of them meet: readRequest parses with the schemas of `spec`.
      const request = { c, caller, ...readRequest(anySpec, c) } as AdminRequest<A, P, Q, H, B>;
      return await handler(deps, request);
    },
  };
}
