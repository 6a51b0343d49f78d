// Owns the life of one GraphQL operation of a tenant: read, refused or run in a transaction of its own, answered. Promises that
// a schema that changed meanwhile is noticed: the operation had no effect, so it is tried again with the new one.
import type { GraphQLError, GraphQLSchema } from 'grafast/graphql';
import type { TenantId } from '../../catalog/ids.ts';
import { isFault } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import { PostgresError } from '../../platform/postgres/errors.ts';
import type { Session } from '../../platform/postgres/session.ts';
import type { TenantContext } from '../resolve-tenant.ts';
import type { Route } from '../route.ts';
import type { SchemaStore } from '../schema-store.ts';
import type { ServedRoute, TenantPools } from '../tenant-pools.ts';
import { inTenantTransaction, type RequestContext } from '../tenant-transaction.ts';
import { graphqlFault } from './errors.ts';
import { executeOperation, OperationRefused } from './execute-operation.ts';
import { type Answered, faultAnswer, isGraphqlFault, statementAnswer } from './graphql-answer.ts';
import { type GraphqlRequest, type RequestRules, readGraphqlRequest, requestOfQueryString } from './graphql-request.ts';
import type { Operation, OperationReader } from './prepare-operation.ts';

/** Two migrations may pass while one request is on its way; a third is not waited for. */
const attemptsMax = 3;

export type AnswerDeps = {
  pools: TenantPools;
  schemas: SchemaStore<GraphQLSchema>;
  reader: OperationReader;
  rules: RequestRules;
  /** What the catalog says now. */
  reload(tenantId: TenantId): Promise<Route | undefined>;
  log: Log;
};

/**
 * Throws what is not GraphQL's own: Faults of the tenant, its database, the deadline.
 * @param body as it was sent, or the parameters of a GET
 */
export async function answerRequest(
  deps: AnswerDeps,
  tenant: TenantContext,
  context: RequestContext,
  body: unknown,
  signal: AbortSignal,
  options: { queryOnly?: boolean } = {},
): Promise<Answered> {
  try {
    const request = readGraphqlRequest(body instanceof URLSearchParams ? requestOfQueryString(body) : body, deps.rules);
    const operation = deps.reader.read(request, context.access);
    if (options.queryOnly === true && operation.definition.operation !== 'query') throw queryOnly();
    refuseEarly(deps, tenant.route, context, operation, request);
    return await runOnCurrentSchema(deps, { tenant, context, request, operation, signal });
  } catch (error) {
    if (error instanceof OperationRefused) return error.answer;
    if (error instanceof StatementFailed) return statementAnswer(error.cause, error.at);
    if (isGraphqlFault(error)) return faultAnswer(error);
    throw error;
  }
}

function queryOnly() {
  return graphqlFault('graphql_query_only', 'A mutation must be sent by POST.');
}

/** Most refusals need no session. What the known schema does not have may be there by now: then the database is asked. */
function refuseEarly(
  { schemas, reader }: AnswerDeps,
  route: ServedRoute,
  { access }: RequestContext,
  operation: Operation,
  request: GraphqlRequest,
): void {
  const known = schemas.known(route, access);
  if (known === undefined) return;
  try {
    reader.check(known, operation, request);
  } catch (error) {
    if (!isFault(error, 'graphql_document_invalid') || !schemas.doubt(route.database.id)) throw error;
  }
}

type Run = {
  tenant: TenantContext;
  context: RequestContext;
  request: GraphqlRequest;
  operation: Operation;
  signal: AbortSignal;
};

async function runOnCurrentSchema(deps: AnswerDeps, first: Run): Promise<Answered> {
  let current = first;
  for (let attempt = 1; ; attempt++) {
    try {
      return await run(deps, current);
    } catch (error) {
      if (!isOfOldSchema(error) || attempt === attemptsMax) throw error;
      const { tenant } = current;
      deps.schemas.forget(tenant.route.database.id);
      const route = await deps.reload(tenant.route.tenantId);
      if (route?.database !== undefined) current = { ...current, tenant: { ...tenant, route: route as ServedRoute } };
    }
  }
}

async function run(deps: AnswerDeps, { tenant, context, request, operation, signal }: Run): Promise<Answered> {
  let failedAt: GraphQLError | undefined;
  const schemaFor = async (session: Session, route: ServedRoute): Promise<GraphQLSchema> => {
    const options = { signal, timeoutMs: route.limits.statement_timeout_ms };
    const schema = await deps.schemas.find(route, context.access, session, options);
    deps.reader.check(schema, operation, request);
    return schema;
  };
  const work = async (session: Session, route: ServedRoute): Promise<Answered> =>
    executeOperation({
      schema: await schemaFor(session, route),
      operation,
      request,
      session,
      limits: route.limits,
      signal,
      log: deps.log,
      onFailed: (at) => {
        failedAt = at;
      },
    });
  try {
    const readOnly = operation.definition.operation === 'query';
    return await inTenantTransaction(deps.pools, tenant, context, work, signal, { readOnly });
  } catch (error) {
    if (error instanceof PostgresError && !isFault(error)) throw new StatementFailed(error, failedAt);
    throw error;
  }
}

class StatementFailed extends Error {
  override readonly cause: PostgresError;
  readonly at: GraphQLError | undefined;
  constructor(cause: PostgresError, at: GraphQLError | undefined) {
    super('a statement of the operation failed');
    this.name = 'StatementFailed';
    this.cause = cause;
    this.at = at;
  }
}

/** A column, table, function or type that the schema has and the database has not: a migration came between. */
function isOfOldSchema(error: unknown): boolean {
  return error instanceof StatementFailed && /^42(703|P01|883|704|804|P02)$/.test(error.cause.sqlstate);
}
