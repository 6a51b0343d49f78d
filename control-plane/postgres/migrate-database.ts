// Owns bringing one database from where it is to a target: message after message, each whole or not at all, files outside of
// a transaction in between; again from the start where a lock was not to be had or another worker was faster.
import { catalogFault } from '../../catalog/errors.ts';
import { PostgresError } from '../../platform/postgres/errors.ts';
import type { Session } from '../../platform/postgres/session.ts';
import { compareNames } from '../migration-files/lane-hash.ts';
import type { Lane, MigrationFile } from '../migration-files/migration-file.ts';
import { isSameTable } from './bookkeeping-table.ts';
import { guardError, laneGuard, ledgerMovedOn } from './guards.ts';
import { markKeptOf } from './kept-changes.ts';
import { placeInMessage, placeOf } from './place-error.ts';
import {
  adoptionMessage,
  coreFirst,
  type MigrationFrame,
  type MigrationPlan,
  moveMessage,
  planMigration,
  planUndo,
} from './plan-migration.ts';
import { type Ledger, type LedgerRow, readLedger } from './read-ledger.ts';
import { retryLocks } from './retry-locks.ts';
import { runAlone } from './run-alone.ts';
import { type LockWait, type LookForBlockers, watchLockWaits } from './watch-lock-waits.ts';

export type BringInput = {
  lanes: readonly Lane[];
  direction: 'up' | 'down';
  /** Where the database stood before anything was done; in the end what was read, or what was believed and held. */
  from: { ledger: Ledger | undefined };
  /** Where files that go may find their way back. */
  undo: readonly MigrationFile[];
  frame: MigrationFrame;
  lockRetries: number;
  /** Takes over what node-pg-migrate's own command line has applied. */
  adopt: boolean;
  look: LookForBlockers | undefined;
  wait: LockWait;
  signal: AbortSignal | undefined;
};

/** The ledger as it is at the end, and what was taken over. The session must be the owner's. */
export async function bringDatabase(
  session: Session,
  input: BringInput,
): Promise<{ ledger: Ledger; adopted: string[] }> {
  const adopted: string[] = [];
  let overtaken = 0;
  let believed = input.from.ledger;
  const look = async (): Promise<Ledger> => {
    const ledger = await readLedger(session, input.frame.bookkeeping);
    if (input.from.ledger === undefined || input.from.ledger.believed) input.from.ledger = ledger;
    return ledger;
  };
  const once = async (): Promise<Ledger | undefined> => {
    let ledger = believed ?? (await look());
    believed = undefined;
    if (await moved(session, ledger, input)) ledger = await look();
    if (input.adopt && ledger.withActor && ledger.foreign.length > 0 && (await adopt(session, ledger, input))) {
      adopted.push(...ledger.foreign);
      ledger = await look();
    }
    const plan = planOf(ledger, input);
    if (plan.files.length === 0 && plan.alone === undefined) return ledger;
    if (plan.files.length === 0 && plan.alone !== undefined) {
      await runLocked(session, plan.alone, ledger, input);
      return undefined;
    }
    await runMessage(session, plan, input, ledger.believed);
    // The message was one transaction that began where the ledger stood: what is there now need not be asked.
    return plan.more ? undefined : { ...ledger, applied: appliedAfter(ledger, plan, input) };
  };
  for (;;) {
    input.signal?.throwIfAborted();
    try {
      const ledger = await retryLocks(once, session, input.lockRetries, input.signal);
      if (ledger !== undefined) return { ledger, adopted };
    } catch (error) {
      overtaken += 1;
      if (!(error instanceof PostgresError && error.sqlstate === 'ZF010') || overtaken >= overtakenMax) throw error;
    }
  }
}

/** Another worker or node-pg-migrate's command line was faster; twice in a row is already odd. */
const overtakenMax = 3;

function planOf(ledger: Ledger, { lanes, direction, undo, frame }: BringInput): MigrationPlan {
  const { applied, withActor, bookkeeping, believed } = ledger;
  const guard = believed && laneGuard(applied, bookkeeping);
  const plan = { lanes, applied, withActor, bookkeeping, frame, guard };
  return direction === 'up' ? planMigration(plan) : planUndo(plan, undo);
}

function appliedAfter(
  { applied }: Ledger,
  { files }: MigrationPlan,
  { lanes, direction, frame }: BringInput,
): LedgerRow[] {
  const done = new Set(files.map((file) => `${file.lane}/${file.name}`));
  if (direction === 'down') return applied.filter((file) => !done.has(`${file.lane}/${file.name}`));
  const added = lanes.flatMap((lane) =>
    lane.files
      .filter((file) => done.has(`${lane.name}/${file.name}`))
      .map(({ name, hash }) => ({ lane: lane.name, name, hash, run: frame.run })),
  );
  return [...applied, ...added].sort((a, b) => compareNames(a.name, b.name));
}

async function runMessage(session: Session, plan: MigrationPlan, input: BringInput, believed = false): Promise<void> {
  try {
    await watched(session, input, () => session.script(plan.message, { signal: input.signal }));
  } catch (thrown) {
    const error = guardError(thrown);
    await placeInMessage(error, plan);
    await markKeptOf(error, plan.message);
    // The tables of the ledger are not as every other database has them: somebody must look.
    if (believed && placeOf(error) === undefined && isMissing(error)) throw ledgerMovedOn(error);
    throw error;
  }
}

/** Undefined table, schema or column. */
function isMissing(error: unknown): boolean {
  return error instanceof PostgresError && ['42P01', '3F000', '42703'].includes(error.sqlstate);
}

function watched<T>(session: Session, { look, wait, frame }: BringInput, act: () => Promise<T>): Promise<T> {
  return watchLockWaits(look, session.backendPid, wait, frame.lockTimeoutMs, act);
}

async function runLocked(
  session: Session,
  alone: NonNullable<MigrationPlan['alone']>,
  ledger: Ledger,
  input: BringInput,
): Promise<void> {
  if (!ledger.withActor) throw catalogFault('migration_invalid', coreFirst);
  await watched(session, input, () => runAlone(session, alone, ledger.applied.length, input));
}

/** Whether node-pg-migrate's table had to go to where the installation wants it. */
async function moved(session: Session, ledger: Ledger, { lanes, frame, signal }: BringInput): Promise<boolean> {
  const isAsked = lanes.some((lane) => lane.name === 'tenant') && ledger.mayMove;
  if (!isAsked || isSameTable(ledger.bookkeeping, frame.bookkeeping)) return false;
  await session.script(moveMessage(ledger.bookkeeping, frame, ledger.applied.length), { signal });
  return true;
}

/** False where the lane is another one. */
async function adopt(session: Session, ledger: Ledger, { lanes, frame, signal }: BringInput): Promise<boolean> {
  const lane = lanes.find((candidate) => candidate.name === 'tenant');
  if (lane === undefined) return false;
  const names = ledger.foreign;
  const applied = ledger.applied.filter((file) => file.lane === 'tenant');
  const next = lane.files.slice(applied.length, applied.length + names.length);
  const odd = names.find((name, index) => next[index]?.name !== name);
  if (odd !== undefined) {
    throw catalogFault(
      'release_history_changed',
      `${odd} was applied by node-pg-migrate and is not the next file of the release; nothing was changed.`,
    );
  }
  await session.script(adoptionMessage('tenant', next, frame, ledger.applied.length), { signal });
  return true;
}
