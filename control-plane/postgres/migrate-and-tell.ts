// Owns one database's part of a rollout: brought to its target, probed, and told in one outcome or one error that says in what
// state the database is now.
import type { LaneVersions } from '../../catalog/schema.ts';
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import type { Session } from '../../platform/postgres/session.ts';
import { versionsOf } from '../migration-files/lane-hash.ts';
import type { Lane, MigrationFile } from '../migration-files/migration-file.ts';
import type { BookkeepingTable } from './bookkeeping-table.ts';
import { DatabaseMigrationFailed, describeMigrationError } from './describe-migration-error.ts';
import { execOnce } from './exec-once.ts';
import { bringDatabase } from './migrate-database.ts';
import type { MigrationFrame } from './plan-migration.ts';
import { probeDatabase } from './probe-database.ts';
import { type Ledger, readLedger } from './read-ledger.ts';
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
  return told(deps, target.name, options, (session, wait, from) =>
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
  const outcome = await told(deps, 'tenant', options, async (session, wait, ledger) => {
    const act = () => execOnce(session, frameOf(deps, options), statement, options.signal);
    ran = await watchLockWaits(deps.look, session.backendPid, wait, options.lockTimeoutMs, () =>
      retryLocks(act, session, options.lockRetries, options.signal),
    );
    return { ledger, adopted: [] };
  });
  return { ...outcome, outcome: ran ? 'done' : 'noop' };
}

type Act = (session: Session, wait: LockWait, before: Ledger) => Promise<{ ledger: Ledger; adopted: string[] }>;

async function told(deps: MigrateDeps, lane: string, options: MigrateOptions, act: Act): Promise<MigrateOutcome> {
  const startedAt = performance.now();
  const wait: LockWait = { blocker: undefined, waitedMs: 0 };
  let before: Ledger | undefined;
  try {
    const { ledger, adopted } = await deps.asOwner(async (session) => {
      before = await readLedger(session, deps.bookkeeping);
      return act(session, wait, before);
    });
    if (options.probe !== null)
      await probeDatabase(await deps.readOnlyAddress(), options.probe, options.statementTimeoutMs);
    const lanes = versionsOf(ledger.applied);
    return {
      outcome: ledger.applied.length === before?.applied.length ? 'noop' : 'done',
      lanes,
      from: versionsOf(before?.applied ?? [])[lane]?.version ?? null,
      to: lanes[lane]?.version ?? '',
      durationMs: Math.round(performance.now() - startedAt),
      lockWaitMs: Math.round(wait.waitedMs),
      adopted,
    };
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    const after = await stateAfter(deps, before, wait);
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
async function stateAfter({ asOwner, bookkeeping }: MigrateDeps, before: Ledger | undefined, { blocker }: LockWait) {
  try {
    return await asOwner(async (session) => {
      const ledger = await readLedger(session, bookkeeping);
      const known = new Set(before?.applied.map((file) => `${file.lane}/${file.name}`));
      const now = new Set(ledger.applied.map((file) => `${file.lane}/${file.name}`));
      const fresh = ledger.applied.filter((file) => !known.has(`${file.lane}/${file.name}`));
      const gone = before?.applied.filter((file) => !now.has(`${file.lane}/${file.name}`)) ?? [];
      const { rows } = ledger.withActor ? await session.query('select from freehold.progress limit 1') : { rows: [] };
      return { applied: [...fresh, ...gone].map((file) => file.name), begun: rows.length > 0, blocker };
    });
  } catch {
    return { applied: undefined, begun: false, blocker };
  }
}
