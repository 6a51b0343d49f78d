// Owns the answers of the GraphQL endpoint: data and errors in the shape of the specification, with a stable code in each
// error's extensions. Promises that no error carries SQL, a stack, a host or a name of ours: the server's own words about the
// client's data are shown, everything unknown is one sentence.
import { GraphQLError } from 'grafast/graphql';
import { type Fault, isFault } from '../../platform/errors.ts';
import { problemOf } from '../../platform/http/problem.ts';
import type { Log } from '../../platform/log.ts';
import type { PostgresError } from '../../platform/postgres/errors.ts';
import { graphqlFaults } from './errors.ts';

export type ErrorShape = {
  message: string;
  locations?: readonly { line: number; column: number }[];
  path?: readonly (string | number)[];
  extensions: Readonly<Record<string, unknown>> & { code: string };
};

export type Answered = { status: number; json: string };

/** These are GraphQL's own; other Faults are problem documents. */
export function isGraphqlFault(error: unknown): error is Fault {
  return (
    isFault(error) &&
    (error.code in graphqlFaults || error.code === 'result_too_large' || error.code === 'batch_too_large')
  );
}

export function faultAnswer(fault: Fault): Answered {
  return { status: problemOf(fault, '').status, json: JSON.stringify({ errors: faultErrors(fault) }) };
}

function faultErrors({ code, message, extra }: Fault): ErrorShape[] {
  const { errors, message: _, ...more } = extra;
  if (Array.isArray(errors)) return errors.map((error: GraphQLError) => ({ ...shapeOf(error), extensions: { code } }));
  return [{ message, extensions: { code, ...more } }];
}

/** Of an execution. @param known false for what may not be shown; it is logged */
export function executionError(error: GraphQLError, log: Log): ErrorShape {
  const original = error.originalError;
  const shown = original == null || original instanceof GraphQLError || original.name === 'SafeError';
  if (shown) return { ...shapeOf(error), extensions: { code: 'graphql_request_invalid' } };
  if (cursorWords.test(original.message)) {
    const message = 'The cursor is not one of this list in this order: take it from an answer to the same question.';
    return { ...shapeOf(error), message, extensions: { code: 'graphql_cursor_invalid' } };
  }
  log.error({ err: original }, 'a GraphQL operation failed');
  return { ...shapeOf(error), message: 'Something went wrong on our side.', extensions: { code: 'internal' } };
}

/** @dataplan/pg throws plain errors where a cursor cannot be read, or is of another order or type. */
const cursorWords = /^Invalid (?:cursor,|'(?:after|before)' cursor)/;

/** The operation as a whole failed on this statement and was rolled back. `at` is the field that needed it. */
export function statementAnswer(error: PostgresError, at: GraphQLError | undefined): Answered {
  const { sqlstate, detail, hint, constraint, table, column } = error;
  const words = isAboutData(sqlstate) ? error.message : 'The database could not answer this operation.';
  const shape: ErrorShape = {
    ...(at === undefined ? {} : shapeOf(at)),
    message: words,
    extensions: {
      code: 'graphql_statement_failed',
      sqlstate,
      ...(isAboutData(sqlstate) && { detail, hint, constraint, table, column }),
    },
  };
  return { status: 200, json: JSON.stringify({ data: null, errors: [shape] }) };
}

/** Values, constraints, rights, what functions raise, time limits and conflicts. The rest speaks of statements that are ours. */
function isAboutData(sqlstate: string): boolean {
  return /^(22|23|40|44|P0)/.test(sqlstate) || ['42501', '57014', '55P03', '25006'].includes(sqlstate);
}

function shapeOf({ message, locations, path }: GraphQLError): Omit<ErrorShape, 'extensions'> {
  return { message, ...(locations && { locations }), ...(path && { path }) };
}
