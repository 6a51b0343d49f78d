// Owns the look at a cluster that must not wait for a place in the connection budget: whether it answers, and whose sessions are
// there. Dead processes may hold all of the budget, and what they hold is given out again only after this look. Then it takes one
// session beside the budget, for the moment of one query.
import { isFault } from '../../platform/errors.ts';
import type { Session } from '../../platform/postgres/session.ts';
import type { SessionPool } from '../../platform/postgres/session-pool.ts';

/** A healthy cluster has a session for us in some milliseconds. */
const waitMs = 1_000;

export async function lookAnyway<T>(
  pool: SessionPool,
  key: string,
  openUncounted: () => Promise<Session>,
  act: (session: Session) => Promise<T>,
): Promise<T> {
  try {
    return await pool.use(key, act, { waitMs });
  } catch (error) {
    if (!isFault(error) || error.code !== 'pool_timeout') throw error;
  }
  const session = await openUncounted();
  try {
    return await act(session);
  } finally {
    await session.close();
  }
}
