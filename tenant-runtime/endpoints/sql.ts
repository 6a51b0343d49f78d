// Owns POST /v1/sql: SQL of the tenant's own, in the wire format of Neon's HTTP driver. One request is one statement, or
// one batch, and in either case one transaction that knows the claims of the token. Scope `sql` runs as the application login,
// `sql:read` as the read-only one, read only. A statement ends at the plan's limit or the request's deadline, whichever is first; it is cancelled and its session closed.
import type { Context } from 'hono';
import { catalogFault } from '../../catalog/errors.ts';
import type { EdgeEnv } from '../../platform/http/edge.ts';
import { PostgresError, ResultTooLargeError } from '../../platform/postgres/errors.ts';
import type { RawResult, Session } from '../../platform/postgres/session.ts';
import { runtimeFault } from '../errors.ts';
import type { TenantContext, TenantResolver } from '../resolve-tenant.ts';
import { explainedFailure } from '../statement-failure.ts';
import type { ServedRoute, TenantPools } from '../tenant-pools.ts';
import { type RequestContext, requestContext, transact } from '../tenant-transaction.ts';
import { errorJson, resultJson } from './sql-answer.ts';
import { parseSqlRequest, type SqlRequest, type SqlStatement } from './sql-request.ts';

export type SqlDeps = { resolver: TenantResolver; pools: TenantPools };

export function sqlEndpoint({ resolver, pools }: SqlDeps) {
  return async (c: Context<EdgeEnv>): Promise<Response> => {
    const tenant = await resolver.resolve(c.req.header('authorization'));
    const context = requestContext('sql', tenant, c.req);
    checkPlan(tenant);
    const request = parseSqlRequest(c.get('jsonBody'), (name) => c.req.header(name));
    const deadline = c.get('deadline');
    try {
      const work = (session: Session, route: ServedRoute) => runSql(session, route, context, request, deadline);
      return answer(200, await pools.use(tenant.route, context.access, work, deadline));
    } catch (error) {
      if (error instanceof PostgresError) return answer(400, errorJson(error));
      throw error;
    }
  };
}

/** @throws Fault plan_forbids */
function checkPlan({ route }: TenantContext): void {
  if (route.limits.sql_api) return;
  throw catalogFault('plan_forbids', 'The plan of this tenant does not include the SQL API.');
}

/** The body of the answer. Also what a bench without tokens and routes runs, so that both do the same work. */
export async function runSql(
  session: Session,
  { limits }: Pick<ServedRoute, 'limits'>,
  context: RequestContext,
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
      throw explainedFailure(error, limits, performance.now() - startedMs);
    }
    if (controlling.has(result.command)) throw transactionControl();
    const json = resultJson(result, { rawText, arrayMode });
    bytesLeft -= json.length;
    if (bytesLeft < 0) throw explainedFailure(new ResultTooLargeError(), limits, 0);
    return json;
  };

  const runAll = async (): Promise<string[]> => {
    const results: string[] = [];
    for (const statement of statements) {
      results.push(await run(statement));
      if (session.transactionStatus === 'idle') throw transactionControl();
    }
    return results;
  };
  // After an error nothing was committed: the pool's reset rolls back, or the session is gone and its transaction with it.
  const results = await transact(session, context, runAll, signal, batch ?? {});
  return batch === undefined ? (results[0] as string) : `{"results":[${results.join(',')}]}`;
}

/** By their command tags. A savepoint inside a batch is the batch's own business. */
const controlling = new Set(['BEGIN', 'START TRANSACTION', 'COMMIT', 'PREPARE TRANSACTION', 'COMMIT PREPARED']);

function transactionControl() {
  return runtimeFault(
    'transaction_control',
    'A transaction cannot be begun or ended by a statement: send its statements as one batch, {"queries": […]}.',
  );
}

function answer(status: 200 | 400, json: string): Response {
  return new Response(json, { status, headers: jsonHeaders });
}

const jsonHeaders = { 'content-type': 'application/json' };
