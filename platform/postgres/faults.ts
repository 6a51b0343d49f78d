// Owns the stable codes of the session pool.
import { type FaultTable, faultsOf } from '../errors.ts';

export const postgresFaults = {
  pool_timeout: {
    kind: 'unavailable',
    title: 'No database connection became free in time.',
    cause: 'All connections this caller may use were held by other requests, or a new one took too long to open.',
    check:
      'Look at the pool metrics (leased, waiting) and at pg_stat_activity for long transactions; raise the limit only if the server has connections to spare.',
    who: 'operator',
  },
  pool_closed: {
    kind: 'unavailable',
    title: 'The process is shutting down.',
    cause: 'A connection was asked for after the pool began to close.',
    check: 'Nothing, if a deployment or restart is under way: send the request again and another process answers it.',
    who: 'client',
  },
} as const satisfies FaultTable;

export const postgresFault = faultsOf(postgresFaults);

export function poolClosed() {
  return postgresFault('pool_closed', 'The service is shutting down. Send the request again.', { retryAfterMs: 1_000 });
}

/** @param internal who waited how long for what */
export function poolTimeout(internal: string) {
  return postgresFault('pool_timeout', 'The database is busy. Send the request again in a moment.', {
    internal,
    retryAfterMs: 1_000,
  });
}
