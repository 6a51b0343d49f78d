// Owns what is told of a database that could not be brought to its target: the server's own words, where in which file, in what
// state the database is now, who stood in the way, and whether another attempt may help.
import type { Blocker, MemberError } from '../../catalog/rollout-policy.ts';
import { Fault } from '../../platform/errors.ts';
import { ConnectionLostError, isTransient, PostgresError } from '../../platform/postgres/errors.ts';
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
  const partly = begun || (applied?.length ?? 0) > 0 || sqlstateOf(error) === 'ZF011';
  return {
    code: error instanceof Fault ? error.code : 'migration_failed',
    message: messageOf(error),
    ...shown({
      sqlstate: sqlstateOf(error),
      ...place,
      statement: placeOf(error)?.statement?.slice(0, statementCharsMax),
    }),
    ...(error instanceof PostgresError
      ? shown({ detail: error.detail, hint: error.hint ?? hints[error.sqlstate] })
      : {}),
    ...shown({ blocker }),
    state_of_database: applied === undefined ? 'unknown' : partly ? 'partly-migrated' : 'unchanged',
    ...(partly && applied !== undefined ? { applied } : {}),
    retryable: isTransient(error),
  };
}

const statementCharsMax = 500;

const hints: Readonly<Record<string, string>> = {
  '55P03': 'Another session holds a lock on the same object; end it or try again when it is gone.',
  '57014': 'The statement took longer than the statement timeout; do the work in batches or allow more time.',
  '53100': 'The disk of the cluster is full; make room, then retry.',
  ZF011: 'Leave BEGIN, COMMIT, ROLLBACK and RESET ALL to the migrator; look at what the file has left behind.',
};

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
