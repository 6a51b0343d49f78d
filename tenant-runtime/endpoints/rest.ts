// Owns /v1/rest/…: tables and functions of the tenant's schema public in the dialect of PostgREST, so that its clients work
// unchanged. Scope `rest` reads and writes, `rest:read` reads as the read-only login. One request is one transaction with the
// claims of the token; what the schema does not have is looked for once more before it is refused, because it may be new.
import type { Context } from 'hono';
import { catalogFault } from '../../catalog/errors.ts';
import type { EdgeEnv } from '../../platform/http/edge.ts';
import { PostgresError } from '../../platform/postgres/errors.ts';
import type { Session } from '../../platform/postgres/session.ts';
import type { TenantContext, TenantResolver } from '../resolve-tenant.ts';
import { callFunction } from '../rest/function-requests.ts';
import { openApiOf } from '../rest/openapi.ts';
import { checkProfile, contentType, parseAccept, parsePreferences, parseRange } from '../rest/preferences.ts';
import { ofPostgres, RestError, restPath } from '../rest/rest-error.ts';
import { asking, type RestRequest, type RestResult } from '../rest/rest-request.ts';
import { deleteRows, insertRows, putRow, readTable, updateRows } from '../rest/table-requests.ts';
import type { TenantSchema } from '../rest/tenant-schema.ts';
import type { Access } from '../route.ts';
import type { SchemaStore } from '../schema-store.ts';
import type { ServedRoute, TenantPools } from '../tenant-pools.ts';
import { inTenantTransaction, requestContext } from '../tenant-transaction.ts';

export type RestDeps = { resolver: TenantResolver; pools: TenantPools; schemas: SchemaStore<TenantSchema> };

export function restEndpoint({ resolver, pools, schemas }: RestDeps) {
  return async (c: Context<EdgeEnv>): Promise<Response> => {
    try {
      const tenant = await resolver.resolve(c.req.header('authorization'));
      const context = requestContext('rest', tenant, c.req);
      const { access } = context;
      const request = await restRequestOf(c);
      const reading = isReading(request);
      checkMayWrite(tenant, request);
      const options = { readOnly: reading, discard: request.preferences.rollback };
      const deadline = c.get('deadline');
      const work = (session: Session, route: ServedRoute) =>
        answerOf(schemas, session, route, access, request, deadline);
      const attempt = () => inTenantTransaction(pools, tenant, context, work, deadline, options);
      try {
        return responseOf(await attempt());
      } catch (error) {
        if (!mayBeStale(error) || !schemas.doubt(tenant.route.database.id)) throw error;
        return responseOf(await attempt());
      }
    } catch (error) {
      return refusal(error);
    }
  };
}

async function restRequestOf(c: Context<EdgeEnv>): Promise<RestRequest> {
  const { method } = c.req;
  checkProfile(c.req.header(method === 'GET' || method === 'HEAD' ? 'accept-profile' : 'content-profile'));
  const target = targetOf(c.req.path);
  const value = c.get('jsonBody');
  const url = new URL(c.req.url);
  return {
    method,
    target,
    params: url.searchParams,
    preferences: parsePreferences(c.req.header('prefer')),
    media: parseAccept(c.req.header('accept'), target.kind === 'root'),
    range: method === 'GET' || method === 'HEAD' ? parseRange(c.req.header('range')) : undefined,
    body: value === undefined ? undefined : { value, text: await c.req.text() },
  };
}

/** @throws RestError PGRST125 */
function targetOf(path: string): RestRequest['target'] {
  const parts = path
    .slice(restPath.length)
    .split('/')
    .filter((part) => part !== '')
    .map(decoded);
  if (parts.length === 0) return { kind: 'root' };
  if (parts.length === 1) return { kind: 'table', name: parts[0] as string };
  if (parts.length === 2 && parts[0] === 'rpc') return { kind: 'function', name: parts[1] as string };
  throw new RestError('PGRST125', 'Invalid path specified in request URL');
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new RestError('PGRST125', 'Invalid path specified in request URL');
  }
}

function isReading({ method }: RestRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** @throws Fault scope_missing */
function checkMayWrite({ claims }: TenantContext, request: RestRequest): void {
  if (claims.scope.has('rest') || isReading(request) || request.target.kind === 'function') return;
  throw catalogFault('scope_missing', 'The token needs the scope rest for writing.', { extra: { needed: ['rest'] } });
}

async function answerOf(
  schemas: SchemaStore<TenantSchema>,
  session: Session,
  route: ServedRoute,
  access: Access,
  request: RestRequest,
  signal: AbortSignal,
): Promise<RestResult> {
  const schema = await schemas.find(route, access, session, { signal });
  const ask = asking(session, route.limits, signal);
  const { target, method } = request;
  if (target.kind === 'root') {
    if (!isReading(request)) throw methodRefused(method);
    const body = method === 'HEAD' ? null : openApiOf(schema);
    return { status: 200, body, headers: { 'content-type': contentType(request.media) } };
  }
  if (target.kind === 'function') {
    if (!isReading(request) && method !== 'POST') throw methodRefused(method);
    return callFunction(ask, schema, target.name, request);
  }
  const table = schema.tables.get(target.name);
  if (table === undefined) {
    throw new RestError(
      'PGRST205',
      `Could not find the table 'public.${target.name.slice(0, 63)}' in the schema cache`,
    );
  }
  const act = methods[method];
  if (act === undefined) throw methodRefused(method);
  return act({ ask, schema, table, request, path: `${restPath}/${encodeURIComponent(table.name)}` });
}

const methods: Readonly<Record<string, typeof readTable>> = {
  GET: readTable,
  HEAD: readTable,
  POST: insertRows,
  PATCH: updateRows,
  PUT: putRow,
  DELETE: deleteRows,
};

function methodRefused(method: string): RestError {
  return new RestError('PGRST117', `Unsupported HTTP method: ${method}`);
}

/** Names that were not found: by us in the schema, or by the server in the database. */
const unknownNames = new Set([
  ...['PGRST200', 'PGRST202', 'PGRST204', 'PGRST205'],
  ...['42703', '42P01', '42883', '42704', '42P10', '42804'],
]);

function mayBeStale(error: unknown): boolean {
  const code = error instanceof RestError ? error.code : error instanceof PostgresError ? error.sqlstate : '';
  return unknownNames.has(code);
}

function responseOf({ status, body, headers }: RestResult): Response {
  return new Response(body, { status, headers });
}

/** Faults become problem documents at the edge, with the members of problemMembers. */
function refusal(error: unknown): Response {
  const refused = error instanceof PostgresError ? ofPostgres(error) : error;
  if (!(refused instanceof RestError)) throw error;
  const { status, code, message, details, hint } = refused;
  return Response.json(
    { code, message, details, hint },
    { status, headers: { 'content-type': 'application/json; charset=utf-8' } },
  );
}
