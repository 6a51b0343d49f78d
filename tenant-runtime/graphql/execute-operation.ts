// Owns the running of one operation on a leased session, within the transaction of the request. Promises: it is whole or it is
// not. A statement that fails fails the operation and is thrown, so the transaction is rolled back and the session's own rules
// about repeating apply; a mutation with any error in its answer is rolled back as well, and its data is null.
import { execute } from 'grafast';
import type { ExecutionResult, GraphQLError, GraphQLSchema } from 'grafast/graphql';
import { isFault } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import { ConnectionLostError, PostgresError, ResultTooLargeError } from '../../platform/postgres/errors.ts';
import type { Session } from '../../platform/postgres/session.ts';
import { explainedFailure } from '../statement-failure.ts';
import type { ServedRoute } from '../tenant-pools.ts';
import { type Answered, executionError } from './graphql-answer.ts';
import type { GraphqlRequest } from './graphql-request.ts';
import type { Operation } from './prepare-operation.ts';
import { withClientKey, withSession } from './session-client.ts';

/** The operation ran and was refused as a whole: nothing is to be kept, and this is the answer. */
export class OperationRefused extends Error {
  readonly answer: Answered;
  constructor(answer: Answered) {
    super('the operation was rolled back');
    this.name = 'OperationRefused';
    this.answer = answer;
  }
}

export type Execution = {
  schema: GraphQLSchema;
  operation: Operation;
  request: GraphqlRequest;
  session: Session;
  limits: ServedRoute['limits'];
  signal: AbortSignal;
  log: Log;
  /** Told of the field whose statement failed, before that is thrown. */
  onFailed(at: GraphQLError): void;
};

/** Throws the failure of a statement as the session threw it; OperationRefused. */
export async function executeOperation(execution: Execution): Promise<Answered> {
  const { schema, operation, request, limits, log } = execution;
  const result = (await execute({
    schema,
    document: operation.document,
    operationName: request.operationName ?? null,
    variableValues: request.variables,
    contextValue: { [withClientKey]: clientWithin(execution) },
  })) as ExecutionResult;
  const errors = result.errors ?? [];
  const failed = errors.find(isStatementFailure);
  if (failed !== undefined) {
    execution.onFailed(failed);
    throw failed.originalError;
  }
  const shown = errors.map((error) => executionError(error, log));
  // Variables that do not fit their types: nothing ran.
  if (result.data === undefined) throw new OperationRefused({ status: 400, json: JSON.stringify({ errors: shown }) });
  if (errors.length > 0 && operation.definition.operation === 'mutation') {
    throw new OperationRefused({ status: 200, json: JSON.stringify({ data: null, errors: shown }) });
  }
  const json = JSON.stringify(errors.length > 0 ? { data: result.data, errors: shown } : { data: result.data });
  // Aliases can make of a small result a large answer.
  if (json.length > limits.result_bytes_max) throw explainedFailure(new ResultTooLargeError(), limits, 0);
  return { status: 200, json };
}

/** A session that spends the plan's time for each statement and the plan's bytes for all together. */
function clientWithin({ session, limits, signal }: Execution) {
  let bytesLeft = limits.result_bytes_max;
  const spend = (bytes: number) => {
    bytesLeft -= bytes;
  };
  const within = () => ({ signal, timeoutMs: limits.statement_timeout_ms, bytesMax: Math.max(1, bytesLeft) });
  return withSession(session, within, {
    onBytes: spend,
    onFailure: (error, elapsedMs) => explainedFailure(error, limits, elapsedMs),
  });
}

/** After a failed statement the others of its transaction fail for that alone, and say nothing. */
function isStatementFailure({ originalError }: GraphQLError): boolean {
  if (originalError instanceof PostgresError) return originalError.sqlstate !== '25P02';
  return originalError instanceof ConnectionLostError || isFault(originalError);
}
