// Owns the question that every new session answers before its first use: which database is this, who am I in it, and to
// whom does it belong? A database that was moved, restored or created again under the same name is refused (N06).
import { namesOf } from '../catalog/names.ts';
import { PostgresError } from '../platform/postgres/errors.ts';
import type { Session } from '../platform/postgres/session.ts';
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
