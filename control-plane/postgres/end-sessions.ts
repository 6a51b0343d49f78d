// Owns ending the sessions of a database as the provisioner: asked to end, and counted until none is left or the wait is over.
import type { Session } from '../../platform/postgres/session.ts';

/** How long after the last look a session that does not end is told as left. */
const fenceWaitMs = 5_000;
const fencePauseMs = 20;

/** @param key name and proofs of the database */
export async function endSessions(
  session: Session,
  key: [string, string],
): Promise<{ terminated: number; left: number }> {
  const deadline = performance.now() + fenceWaitMs;
  const terminated = await terminate(session, key);
  for (;;) {
    const counted = await session.query<{ left: number }>('select freehold.count_sessions($1) as left', [key[0]]);
    const left = counted.rows[0]?.left ?? 0;
    if (left === 0 || performance.now() > deadline) return { terminated, left };
    await new Promise((resolve) => setTimeout(resolve, fencePauseMs));
    await terminate(session, key);
  }
}

export async function terminate(session: Session, key: [string, string]): Promise<number> {
  const sql = 'select freehold.terminate_sessions($1, $2::text[]) as ended';
  const { rows } = await session.query<{ ended: number }>(sql, key);
  return rows[0]?.ended ?? 0;
}
