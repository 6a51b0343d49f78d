// Owns what is told of a database that could not be brought to its target: the server's own words, where in which file, in what
// state the database is now, who stood in the way, and whether another attempt may help.
import type { Blocker, MemberError } from '../../catalog/rollout-policy.ts';
import { Fault } from '../../platform/errors.ts';
import { ConnectionLostError, isTransient, PostgresError } from '../../platform/postgres/errors.ts';
import { mayBeKept } from './kept-changes.ts';
import { placeOf } from './place-error.ts';

export class DatabaseMigrationFailed extends Error {
  readonly error: MemberError;
  readonly lockWaitMs: number;
  constructor(error: MemberError, lockWaitMs: number, cause: unknown) {
    super(error.message, { cause });
    this.name = 'DatabaseMigrationFailed';
    this.error = error;
    this.lockWaitMs = lockWaitMs;
  }
}

export type StateAfter = {
  /** Undefined: nobody could be asked. */
  applied: string[] | undefined;
  /** Statements of a file outside of a transaction are there, or half there, though the file is not booked. */
  begun: boolean;
  blocker: Blocker | undefined;
};

export function describeMigrationError(error: unknown, { applied, begun, blocker }: StateAfter): MemberError {
  const { lane: _, ...place } = placeOf(error) ?? { lane: undefined };
  const partly = begun || (applied?.length ?? 0) > 0 || mayBeKept(error);
  return {
    code: codeOf(error, applied === undefined),
    message: messageOf(error),
    ...shown({
      sqlstate: sqlstateOf(error),
      ...place,
      statement: placeOf(error)?.statement?.slice(0, statementCharsMax),
    }),
    ...shown(adviceOf(error)),
    ...shown({ blocker }),
    state_of_database: applied === undefined ? 'unknown' : partly ? 'partly-migrated' : 'unchanged',
    ...(partly && applied !== undefined ? { applied } : {}),
    retryable: isTransient(error) || (error instanceof Fault && error.code === 'pool_timeout'),
  };
}

/**
 * Nobody answered, before or since: that says nothing of this database, so its member waits and is tried again. A session that
 * was ended while its cluster goes on may have been ended for the sake of this very file.
 */
function codeOf(error: unknown, isAway: boolean): string {
  if (error instanceof Fault) return error.code;
  const isLost = error instanceof ConnectionLostError && (isAway || error.phase === 'connect');
  return isLost ? 'cluster_unreachable' : 'migration_failed';
}

const statementCharsMax = 500;

const hints: Readonly<Record<string, string>> = {
  '55P03': 'Another session holds a lock on the same object; end it or try again when it is gone.',
  '57014': 'The statement took longer than the statement timeout; do the work in batches or allow more time.',
  '53100': 'The disk of the cluster is full; make room, then retry.',
  '53300': 'Every connection that the login may have is taken; wait, or end those that are not needed.',
  '57P01': 'The session was ended by somebody; another attempt goes on from where the database is.',
  '08': 'Another attempt goes on from where the database is; see whether the cluster answers.',
  '23': 'Rows that are there break the rule; mend the data of this tenant, then retry it.',
  '42': 'The schema is not as the file expects it; compare it with that of a tenant at the same version.',
  ZF010: 'Somebody else migrates this database; try again when that has ended.',
  ZF011: 'Leave BEGIN, COMMIT, ROLLBACK and RESET ALL to the migrator; look at what the file has left behind.',
};

function adviceOf(error: unknown): { detail?: string | undefined; hint?: string | undefined } {
  if (error instanceof PostgresError)
    return { detail: error.detail, hint: error.hint ?? hints[error.sqlstate] ?? hints[error.sqlstate.slice(0, 2)] };
  if (error instanceof ConnectionLostError) return { hint: hints[error.sqlstate ?? ''] ?? hints['08'] };
  return {};
}

function messageOf(error: unknown): string {
  if (error instanceof ConnectionLostError) return 'The connection to the database was lost.';
  return error instanceof Error ? error.message : String(error);
}

function sqlstateOf(error: unknown): string | undefined {
  return error instanceof PostgresError || error instanceof ConnectionLostError ? error.sqlstate : undefined;
}

type Shown<T> = { [K in keyof T]?: Exclude<T[K], undefined> };
function shown<T extends object>(members: T): Shown<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Shown<T>;
}
