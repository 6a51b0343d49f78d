// Owns the one way in which a request works in its tenant's database: one transaction, on a session that is leased for it, as
// the login that the scope of the token gives, with the verified claims in settings that end with the transaction
// (request.jwt.claims, as PostgREST and Supabase have it). Promises: what throws has changed nothing; a reader cannot write;
// an abort or the plan's limit cancels what runs.
import { catalogFault } from '../catalog/errors.ts';
import { ConnectionLostError, PostgresError } from '../platform/postgres/errors.ts';
import type { BeginOptions, Session } from '../platform/postgres/session.ts';
import type { TenantContext } from './resolve-tenant.ts';
import type { Access } from './route.ts';
import type { ServedRoute, TenantPools } from './tenant-pools.ts';

/** The APIs to a tenant's data. The scope of the same name opens it, with `:read` as the read-only login. */
export type DataApi = 'sql' | 'rest' | 'graphql';

export type RequestContext = {
  readonly access: Access;
  /** Settings of the transaction: the claims, method and path of the request. */
  readonly settings: Readonly<Record<string, string>>;
};

/** @throws Fault scope_missing */
export function accessOf(api: DataApi, { claims }: TenantContext): Access {
  if (claims.scope.has(api)) return 'app';
  if (claims.scope.has(`${api}:read`)) return 'ro';
  throw catalogFault('scope_missing', `The token needs the scope ${api}, or ${api}:read for reading.`, {
    extra: { needed: [api, `${api}:read`] },
  });
}

/** @throws Fault scope_missing */
export function requestContext(
  api: DataApi,
  tenant: TenantContext,
  request: { method: string; path: string },
): RequestContext {
  return {
    access: accessOf(api, tenant),
    settings: {
      'request.jwt.claims': tenant.claimsJson,
      'request.method': request.method,
      'request.path': request.path,
    },
  };
}

export type TransactionOptions = Pick<BeginOptions, 'isolation' | 'readOnly' | 'deferrable'> & {
  /** Nothing of it is to be kept, also where it succeeds. */
  discard?: boolean;
  /** For work that does not ask by queryRaw: its first statement could not take the beginning along. */
  beginAtOnce?: boolean;
};

export type TenantWork<T> = (session: Session, route: ServedRoute) => Promise<T>;

/** Throws what `work` throws, and what TenantPools.use does. */
export function inTenantTransaction<T>(
  pools: TenantPools,
  tenant: TenantContext,
  context: RequestContext,
  work: TenantWork<T>,
  signal: AbortSignal,
  options: TransactionOptions = {},
): Promise<T> {
  return pools.use(
    tenant.route,
    context.access,
    (session, route) => transact(session, context, () => work(session, route), signal, options),
    signal,
  );
}

/**
 * One message more than the work itself takes: its first statement brings the beginning along, and the reset that the session
 * needs afterwards comes with the end. Where it only reads the answer does not wait for that: nothing of a reader is to be kept,
 * and the reset ends its transaction too. So it does after an error.
 */
export async function transact<T>(
  session: Session,
  { access, settings }: RequestContext,
  work: () => Promise<T>,
  signal: AbortSignal,
  options: TransactionOptions = {},
): Promise<T> {
  const readOnly = access === 'ro' || options.readOnly === true;
  const withNext = options.beginAtOnce !== true;
  try {
    await session.begin({ ...options, readOnly, settings, signal, snapshot: access === 'ro', withNext });
  } catch (error) {
    throw nothingSent(error);
  }
  const result = await work();
  if (!readOnly && options.discard !== true) await session.commit({ signal, thenReset: true });
  return result;
}

/**
 * A connection that was lost before the first statement of the request: nothing was done, and it may go again on another one. Unless a
 * server or a pooler gave a reason, which is then as that of a refused login.
 */
function nothingSent(error: unknown): unknown {
  if (!(error instanceof ConnectionLostError) || error.phase !== 'query') return error;
  const phase = error.cause instanceof PostgresError ? 'connect' : 'idle';
  return new ConnectionLostError(phase, error.message, { sqlstate: error.sqlstate, cause: error });
}
