// Owns POST /v1/sql: SQL of the tenant's own, in the wire format of Neon's HTTP driver. One request is one statement, or
// one batch in one transaction. Scope `sql` runs as the application login, `sql:read` as the read-only one, read only.
// A statement ends at the plan's limit or the request's deadline, whichever is first; it is cancelled and its session closed.
import type { Context } from 'hono';
import { catalogFault } from '../../catalog/errors.ts';
import { isFault } from '../../platform/errors.ts';
import type { EdgeEnv } from '../../platform/http/edge.ts';
import { ConnectionLostError, PostgresError, ResultTooLargeError } from '../../platform/postgres/errors.ts';
import type { RawResult, Session } from '../../platform/postgres/session.ts';
import { runtimeFault } from '../errors.ts';
import type { TenantContext, TenantResolver } from '../resolve-tenant.ts';
import type { Access } from '../route.ts';
import type { ServedRoute, TenantPools } from '../tenant-pools.ts';
import { errorJson, resultJson } from './sql-answer.ts';
import { parseSqlRequest, type SqlRequest, type SqlStatement } from './sql-request.ts';

export type SqlDeps = { resolver: TenantResolver; pools: TenantPools };

export function sqlEndpoint({ resolver, pools }: SqlDeps) {
  return async (c: Context<EdgeEnv>): Promise<Response> => {
    const tenant = await resolver.resolve(c.req.header('authorization'));
    const access = accessOf(tenant);
    const request = parseSqlRequest(c.get('jsonBody'), (name) => c.req.header(name));
    const deadline = c.get('deadline');
    try {
      const work = (session: Session, route: ServedRoute) => runSql(session, route, access, request, deadline);
      return answer(200, await pools.use(tenant.route, access, work, deadline));
    } catch (error) {
      if (error instanceof PostgresError) return answer(400, errorJson(error));
      throw error;
    }
  };
}

/** @throws Fault scope_missing, plan_forbids */
function accessOf({ claims, route }: TenantContext): Access {
  const access = claims.scope.has('sql') ? 'app' : claims.scope.has('sql:read') ? 'ro' : undefined;
  if (access === undefined) {
    const needed = ['sql', 'sql:read'];
    throw catalogFault('scope_missing', 'The token needs the scope sql, or sql:read for reading.', {
      extra: { needed },
    });
  }
  if (!route.limits.sql_api) {
    throw catalogFault('plan_forbids', 'The plan of this tenant does not include the SQL API.');
  }
  return access;
}

/** The body of the answer. Also what a bench without tokens and routes runs, so that both do the same work. */
export async function runSql(
  session: Session,
  { limits }: Pick<ServedRoute, 'limits'>,
  access: Access,
  request: SqlRequest,
  signal: AbortSignal,
): Promise<string> {
  const { batch, rawText, statements } = request;
  let bytesLeft = limits.result_bytes_max;
  const run = async ({ query, params, arrayMode }: SqlStatement): Promise<string> => {
    const startedMs = performance.now();
    let result: RawResult;
    try {
      result = await session.queryRaw(query, params, {
        signal,
        timeoutMs: limits.statement_timeout_ms,
        bytesMax: bytesLeft,
      });
    } catch (error) {
      throw explained(error, limits, performance.now() - startedMs);
    }
    const json = resultJson(result, { rawText, arrayMode });
    bytesLeft -= json.length;
    if (bytesLeft < 0) throw explained(new ResultTooLargeError(), limits, 0);
    return json;
  };

  if (batch === undefined) {
    const json = await run(statements[0] as SqlStatement);
    if (isOpen(session)) throw transactionControl();
    return json;
  }
  await session.begin({
    signal,
    readOnly: batch.readOnly || access === 'ro',
    deferrable: batch.deferrable,
    ...(batch.isolation !== undefined && { isolation: batch.isolation }),
  });
  // A transaction that has taken a snapshot cannot be made read-write again.
  if (access === 'ro') await session.query('select 1', [], { signal });
  const results: string[] = [];
  for (const statement of statements) {
    results.push(await run(statement));
    if (session.transactionStatus === 'idle') throw transactionControl();
  }
  await session.commit({ signal });
  return `{"results":[${results.join(',')}]}`;
  // After an error nothing was committed: the pool's reset rolls back, or the session is gone and its transaction with it.
}

/** The status is that of the last answer; unknown counts as closed, the reset before the next use looks again. */
function isOpen(session: Session): boolean {
  return session.transactionStatus === 'in-transaction' || session.transactionStatus === 'failed-transaction';
}

function transactionControl() {
  return runtimeFault(
    'transaction_control',
    'A transaction cannot be begun or ended by a statement: send its statements as one batch, {"queries": […]}.',
  );
}

function explained(error: unknown, limits: ServedRoute['limits'], elapsedMs: number): unknown {
  if (error instanceof ResultTooLargeError) {
    return runtimeFault(
      'result_too_large',
      `The result is larger than the ${limits.result_bytes_max} bytes that the plan allows: ask for fewer rows or columns.`,
    );
  }
  // A wrong number of parameters. The session distrusts every 08xxx and is gone, but this one was the client's mistake.
  if (error instanceof ConnectionLostError && error.sqlstate === '08P01' && error.cause instanceof PostgresError) {
    return error.cause;
  }
  if (error instanceof PostgresError || isFault(error) || elapsedMs < limits.statement_timeout_ms) return error;
  // The same words and code as if the server had ended it; the driver's users know them.
  const timeout = new PostgresError({
    code: '57014',
    severity: 'ERROR',
    message: `canceling statement due to statement timeout of ${limits.statement_timeout_ms} ms`,
    ...(error instanceof ConnectionLostError && {
      detail: 'The server did not confirm it: whether a write took effect is unknown.',
    }),
  });
  return timeout;
}

function answer(status: 200 | 400, json: string): Response {
  return new Response(json, { status, headers: jsonHeaders });
}

const jsonHeaders = { 'content-type': 'application/json' };
