// Owns the question that every new session answers before its first use: which database is this, who am I in it, and to
// whom does it belong? A database that was moved, restored or created again under the same name is refused (N06).
import { namesOf } from '../catalog/names.ts';
import { PostgresError } from '../platform/postgres/errors.ts';
import type { BehindPooler, Session } from '../platform/postgres/session.ts';
import type { Access, Route, RouteDatabase } from './route.ts';

export class IdentityMismatch extends Error {
  /** What the database says of itself: ids only. */
  readonly found: Record<string, unknown>;
  constructor(found: Record<string, unknown>) {
    super('the database is not the one that the route means');
    this.name = 'IdentityMismatch';
    this.found = found;
  }
}

/**
 * The same question for sessions behind a pooler, where each transaction may run in another backend: asked in every one of them, in
 * the message that begins it. A statement that fails unless everything is as the route says: no answer has to be read.
 */
export function identityCheck(route: Route & { readonly database: RouteDatabase }, access: Access): BehindPooler {
  const { database, tenantId } = route;
  // Ids and names of our own form: no quote in them.
  return {
    check: `SELECT 1 / count(*) FROM freehold.identity WHERE database_id = '${database.id}' AND tenant_id = '${tenantId}'
      AND pg_catalog.current_database() = '${namesOf(database.id).database}' AND session_user = '${database.users[access]}'`,
    mismatch: ({ sqlstate }) => new IdentityMismatch({ sqlstate }),
  };
}

type Answer = { database: string; login: string; database_id: string; tenant_id: string | null };

const identityTimeoutMs = 3_000;

/** One round trip for each new session, 0.3 ms on the same machine. @throws IdentityMismatch */
export async function checkIdentity(
  session: Session,
  route: Route & { readonly database: RouteDatabase },
  access: Access,
): Promise<void> {
  const { database } = route;
  let answer: Answer | undefined;
  try {
    const { rows } = await session.query<Answer>(
      `select pg_catalog.current_database() as database, session_user::text as login, i.database_id, i.tenant_id
       from freehold.identity i`,
      [],
      { timeoutMs: identityTimeoutMs },
    );
    answer = rows[0];
  } catch (error) {
    // No identity row to read: not a database of ours, or not one that this login may know.
    if (error instanceof PostgresError) throw new IdentityMismatch({ sqlstate: error.sqlstate });
    throw error;
  }
  const ours =
    answer !== undefined &&
    answer.database === namesOf(database.id).database &&
    answer.login === database.users[access] &&
    answer.database_id === database.id &&
    answer.tenant_id === route.tenantId;
  if (!ours) throw new IdentityMismatch(answer ?? { identity: 'none' });
}
