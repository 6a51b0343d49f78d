// Owns one database's part of a rollout: brought to its target, probed, and told in one outcome or one error that says in what
// state the database is now.
import type { LaneVersions } from '../../catalog/schema.ts';
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import type { Session } from '../../platform/postgres/session.ts';
import { versionsOf } from '../migration-files/lane-hash.ts';
import type { Lane, MigrationFile } from '../migration-files/migration-file.ts';
import { believedLedger } from './believed-ledger.ts';
import type { BookkeepingTable } from './bookkeeping-table.ts';
import { DatabaseMigrationFailed, describeMigrationError } from './describe-migration-error.ts';
import { execOnce } from './exec-once.ts';
import { bringDatabase } from './migrate-database.ts';
import type { MigrationFrame } from './plan-migration.ts';
import { probeDatabase } from './probe-database.ts';
import { type Ledger, type LedgerRow, readLedger } from './read-ledger.ts';
import { retryLocks } from './retry-locks.ts';
import { type LockWait, type LookForBlockers, watchLockWaits } from './watch-lock-waits.ts';

export type MigrateOptions = {
  direction: 'up' | 'down';
  /** The rollout's id, or a uuid. */
  run: string;
  actor: string;
  lockTimeoutMs: number;
  lockRetries: number;
  statementTimeoutMs: number;
  probe: string | null;
  /** Where the catalog believes that the database stands: saves a look, and is checked. */
  known?: LaneVersions | undefined;
  /** The files of the release that holds what is to be undone. */
  undo?: readonly MigrationFile[];
  signal?: AbortSignal;
};

export type MigrateOutcome = {
  outcome: 'done' | 'noop';
  lanes: LaneVersions;
  from: string | null;
  to: string;
  durationMs: number;
  lockWaitMs: number;
  /** Applied by node-pg-migrate's own command line, and now in the ledger. */
  adopted: string[];
};

export type MigrateDeps = {
  /** A session of the owner, in its first state. */
  asOwner<T>(act: (session: Session) => Promise<T>): Promise<T>;
  readOnlyAddress(): Promise<PostgresAddress>;
  look: LookForBlockers | undefined;
  owner: string;
  bookkeeping: BookkeepingTable;
};

/** @throws DatabaseMigrationFailed; the signal's reason */
export function migrateAndTell(deps: MigrateDeps, target: Lane, options: MigrateOptions): Promise<MigrateOutcome> {
  const from: From = {
    ledger: options.direction === 'up' ? believedLedger(target, options.known, deps.bookkeeping) : undefined,
  };
  return told(deps, target.name, options, from, (session, wait) =>
    bringDatabase(session, { ...bringInput(deps, target, options, wait), from }),
  );
}

/** @throws DatabaseMigrationFailed; the signal's reason */
export async function execAndTell(
  deps: MigrateDeps,
  statement: string,
  options: MigrateOptions,
): Promise<MigrateOutcome> {
  let ran = false;
  const from: From = { ledger: undefined };
  const outcome = await told(deps, 'tenant', options, from, async (session, wait) => {
    const ledger = await readLedger(session, deps.bookkeeping);
    from.ledger = ledger;
    const act = () => execOnce(session, frameOf(deps, options), statement, options.signal);
    ran = await watchLockWaits(deps.look, session.backendPid, wait, options.lockTimeoutMs, () =>
      retryLocks(act, session, options.lockRetries, options.signal),
    );
    return { ledger, adopted: [] };
  });
  return { ...outcome, outcome: ran ? 'done' : 'noop' };
}

type Act = (session: Session, wait: LockWait) => Promise<{ ledger: Ledger; adopted: string[] }>;
/** Where the database stood before. */
type From = { ledger: Ledger | undefined };

async function told(
  deps: MigrateDeps,
  lane: string,
  options: MigrateOptions,
  from: From,
  act: Act,
): Promise<MigrateOutcome> {
  const startedAt = performance.now();
  const wait: LockWait = { blocker: undefined, waitedMs: 0 };
  try {
    const { ledger, adopted } = await deps.asOwner((session) => act(session, wait));
    if (options.probe !== null)
      await probeDatabase(await deps.readOnlyAddress(), options.probe, options.statementTimeoutMs);
    const lanes = versionsOf(ledger.applied);
    // What a worker has applied that died before it could say so was done by this run, not there before it.
    const ofThisRun = (file: LedgerRow) => file.run === options.run;
    const before = (from.ledger?.applied ?? []).filter((file) => !ofThisRun(file));
    const changed = ledger.applied.length !== from.ledger?.applied.length || ledger.applied.some(ofThisRun);
    return {
      outcome: changed ? 'done' : 'noop',
      lanes,
      from: versionsOf(before)[lane]?.version ?? null,
      to: lanes[lane]?.version ?? '',
      durationMs: Math.round(performance.now() - startedAt),
      lockWaitMs: Math.round(wait.waitedMs),
      adopted,
    };
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    const after = await stateAfter(deps, from.ledger, lane, wait);
    throw new DatabaseMigrationFailed(describeMigrationError(error, after), Math.round(wait.waitedMs), error);
  }
}

function frameOf({ owner, bookkeeping }: MigrateDeps, options: MigrateOptions): MigrationFrame {
  const { run, actor, lockTimeoutMs, statementTimeoutMs } = options;
  return { owner, run, actor, lockTimeoutMs, statementTimeoutMs, bookkeeping };
}

function bringInput(deps: MigrateDeps, target: Lane, options: MigrateOptions, wait: LockWait) {
  const { direction, lockRetries, undo = [], signal } = options;
  const frame = frameOf(deps, options);
  return {
    lanes: [target],
    direction,
    undo,
    frame,
    lockRetries,
    adopt: direction === 'up',
    look: deps.look,
    wait,
    signal,
  };
}

/** Asked anew: what was believed before the error may not hold after a lost connection. */
async function stateAfter(
  { asOwner, bookkeeping }: MigrateDeps,
  before: Ledger | undefined,
  lane: string,
  { blocker }: LockWait,
) {
  try {
    return await asOwner(async (session) => {
      const ledger = await readLedger(session, bookkeeping);
      // Nobody came so far as to see where it stood: nothing was done.
      const was = namesIn(before ?? ledger, lane);
      const is = namesIn(ledger, lane);
      const changed = [...is.filter((name) => !was.includes(name)), ...was.filter((name) => !is.includes(name))];
      const { rows } = ledger.withActor ? await session.query('select from freehold.progress limit 1') : { rows: [] };
      return { applied: changed, begun: rows.length > 0, blocker };
    });
  } catch {
    return { applied: undefined, begun: false, blocker };
  }
}

function namesIn({ applied }: Ledger, lane: string): string[] {
  return applied.filter((file) => file.lane === lane).map((file) => file.name);
}
