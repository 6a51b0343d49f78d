// Owns what a failure on the way to a tenant's database means: which may be tried once more, and what a client is told.
import { catalogFault } from '../catalog/errors.ts';
import { ConnectionLostError, PostgresError } from '../platform/postgres/errors.ts';

/** The request holds a route that is no longer the current one. Nothing was sent. */
export class RouteRetired extends Error {
  constructor() {
    super('the route was replaced while the request was on its way');
    this.name = 'RouteRetired';
  }
}

/** Outside a transaction the driver repeats such a statement itself; inside one the whole transaction has to go again. */
export function isStalePlan(error: unknown): boolean {
  return error instanceof PostgresError && error.routine === 'RevalidateCachedQuery';
}

/** A pooled session that had died: what was to be sent never was. */
export function wasNeverSent(error: unknown): boolean {
  return error instanceof ConnectionLostError && error.phase === 'idle';
}

/**
 * Wrong password, unknown or closed database, no right to connect: what a stale route meets after a move or a rotation. PgBouncer
 * has one code for all of them, 08P01, whatever the server has said.
 */
export function isRefusedLogin(error: unknown): boolean {
  return (
    error instanceof ConnectionLostError &&
    error.phase === 'connect' &&
    /^(08P01|28|3D|42|55000)/.test(error.sqlstate ?? '')
  );
}

export function unavailable(cause: unknown, retryAfterMs = 1_000) {
  const unknownOutcome = cause instanceof ConnectionLostError && cause.phase === 'query';
  return catalogFault(
    'tenant_database_unavailable',
    unknownOutcome
      ? 'The connection to the database was lost while the statement ran. Find out whether a write took effect before you send it again.'
      : 'The database cannot be reached at the moment. Nothing was done; send the request again.',
    { cause, retryAfterMs, extra: { retryable: true, outcome: unknownOutcome ? 'unknown' : 'not_done' } },
  );
}
