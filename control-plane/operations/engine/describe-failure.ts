// Owns what an error means to an operation: whether another attempt may help, what anybody may read about it, and what only
// an operator may.
import type { OperationError } from '../../../catalog/schema.ts';
import { type FaultKind, isFault } from '../../../platform/errors.ts';
import { ConnectionLostError, isTransient, PostgresError } from '../../../platform/postgres/errors.ts';

/** Kinds that say "later": everything else stays as wrong as it is. */
const passing: readonly FaultKind[] = ['unavailable', 'timeout', 'too-many', 'locked'];

export function describeFailure(error: unknown, step: string | undefined): OperationError {
  const where = step === undefined ? {} : { step };
  if (isFault(error)) {
    // What a cluster said may be wrapped in a Fault; the cause still knows whether it passes.
    const retryable = passing.includes(error.kind) || isTransient(error.cause);
    return { code: error.code, message: error.message, ...where, ...internalOf(error, error.internal), retryable };
  }
  if (error instanceof ConnectionLostError) {
    return {
      code: 'cluster_unreachable',
      message: 'A connection to the database server was lost or could not be made.',
      ...where,
      ...internalOf(error, error.sqlstate),
      retryable: isTransient(error),
    };
  }
  if (error instanceof PostgresError) {
    return {
      code: 'cluster_refused',
      message: 'The database server refused a statement of this step.',
      ...where,
      ...internalOf(error, error.sqlstate),
      retryable: isTransient(error),
    };
  }
  // A mistake of ours may be one of the moment; where it is not, the attempts run out.
  return {
    code: 'internal',
    message: 'The step failed unexpectedly.',
    ...where,
    ...internalOf(error),
    retryable: true,
  };
}

/** Longest text kept of an error: enough for every message of PostgreSQL, not for a dumped result. */
const internalCharsMax = 2_000;

function internalOf(error: unknown, more?: string): { internal: string } {
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  const text = `${String(error)}${cause}${more === undefined ? '' : ` (${more})`}`;
  return { internal: text.slice(0, internalCharsMax) };
}
