// Owns looking at the sessions on a cluster from outside of them, and ending those that are over their limits: a login may undo
// every setting of its own, so what it may do at most is enforced by somebody else.
import type { Session } from '../../platform/postgres/session.ts';

/** Of one tenant database; the reaper leaves alone what is not named. */
export type OverdueLimits = {
  database: string;
  statementMs: number;
  transactionMs: number;
  idleInTransactionMs: number;
};

export type OverdueSession = {
  database: string;
  login: string;
  /** What it is over: the limit of a statement, of a transaction, or of being idle in one. */
  over: 'statement' | 'transaction' | 'idle in transaction';
  ageMs: number;
};

export async function sessionsByName(session: Session): Promise<Map<string, number>> {
  const { rows } = await session.query<{ application: string; sessions: number }>(
    'select application, sessions from freehold.tenant_sessions()',
  );
  return new Map(rows.map(({ application, sessions }) => [application, sessions]));
}

/** Databases in which a tenant's login has been at one thing for so long. Few, whatever the number of databases. */
export async function busyFor(session: Session, atLeastMs: number): Promise<string[]> {
  const { rows } = await session.query<{ database: string }>('select database from freehold.busy_for($1)', [atLeastMs]);
  return rows.map((row) => row.database);
}

export async function endOverdue(session: Session, limits: readonly OverdueLimits[]): Promise<OverdueSession[]> {
  const { rows } = await session.query<OverdueSession>(
    'select database, login, over, age_ms as "ageMs" from freehold.end_overdue($1::text::jsonb)',
    [JSON.stringify(limits)],
  );
  return rows;
}
