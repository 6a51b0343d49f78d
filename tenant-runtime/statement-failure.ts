// Owns what a failed statement of a tenant means to its client, whichever API it came through: the limits of the plan and the
// client's own mistakes are told as such, everything else stays as it was thrown.
import { isFault } from '../platform/errors.ts';
import { ConnectionLostError, PostgresError, ResultTooLargeError } from '../platform/postgres/errors.ts';
import { runtimeFault } from './errors.ts';
import type { ServedRoute } from './tenant-pools.ts';

/** What to throw in the place of `error`. @param elapsedMs since the statement was sent */
export function explainedFailure(error: unknown, limits: ServedRoute['limits'], elapsedMs: number): unknown {
  if (error instanceof ResultTooLargeError) {
    return runtimeFault(
      'result_too_large',
      `The result is larger than the ${limits.result_bytes_max} bytes that the plan allows: ask for fewer rows or columns.`,
    );
  }
  // A wrong number of parameters. The session distrusts every 08xxx and is gone, but this one was the client's mistake. (A pooler that
  // gives up a connection says 08P01 too, as FATAL.)
  if (error instanceof ConnectionLostError && error.sqlstate === '08P01' && error.cause instanceof PostgresError) {
    if (error.cause.severity === 'ERROR') return error.cause;
  }
  if (error instanceof PostgresError || isFault(error) || elapsedMs < limits.statement_timeout_ms) return error;
  // The same words and code as if the server had ended it; the driver's users know them.
  return new PostgresError({
    code: '57014',
    severity: 'ERROR',
    message: `canceling statement due to statement timeout of ${limits.statement_timeout_ms} ms`,
    ...(error instanceof ConnectionLostError && {
      detail: 'The server did not confirm it. Nothing was committed.',
    }),
  });
}
