// Owns the question who holds what a migration waits for. Asked as the provisioner, through a function of the cluster that
// answers for tenant databases alone: a tenant's own login may not see the sessions of its server (sql/template.sql).
import type { Blocker } from '../../catalog/rollout-policy.ts';
import type { Session } from '../../platform/postgres/session.ts';

/** Oldest first; empty when this backend does not wait for a lock just now, or is not of this database. */
export async function lookForBlockers(session: Session, database: string, pid: number): Promise<Blocker[]> {
  const { rows } = await session.query<Blocker>(blockersSql, [database, pid]);
  return rows;
}

/** Of its transaction; of its last statement where it holds a lock without one. */
const blockersSql = `select pid, role, application, state, round(age_ms)::float8 as "ageMs" from freehold.blockers_of($1, $2)`;
