// Owns the decision what is missing in one database (or what is to be undone there), and the one message that does it. Pure: it
// is tested without a server, and the same message serves every database that stands at the same point.
import { catalogFault } from '../../catalog/errors.ts';
import type { Lane, MigrationFile } from '../migration-files/migration-file.ts';
import { type BookkeepingTable, isSameTable, moveBookkeeping, nameOf } from './bookkeeping-table.ts';
import { ledgerGuard, sameTransaction } from './guards.ts';
import { literal } from './sql-literal.ts';

export type AppliedFile = { lane: string; name: string; hash: string };
export type PendingFile = {
  lane: string;
  name: string;
  text: string;
  /** Where its text begins in the message. */
  offset: number;
  /** Its lines are those of the file. */
  hasLines: boolean;
};
/** `files` and `message` come first; then `alone`, a file that cannot be part of a message; `more` says that a look must follow. */
export type MigrationPlan = {
  files: PendingFile[];
  message: string;
  alone: { lane: string; file: MigrationFile } | undefined;
  more: boolean;
};
/** On whose account and with which patience. The first words of every file put the session back into this state (M16). */
export type MigrationFrame = {
  owner: string;
  run: string;
  actor: string;
  lockTimeoutMs: number;
  statementTimeoutMs: number;
  /** Where node-pg-migrate's command line looks for what was applied. */
  bookkeeping: BookkeepingTable;
};
export type PlanInput = {
  lanes: readonly Lane[];
  applied: readonly AppliedFile[];
  /** False: the ledger has no column for the actor yet, and `run` must be a uuid. */
  withActor: boolean;
  /** Where the table of the tenant lane stands now. */
  bookkeeping: BookkeepingTable;
  frame: MigrationFrame;
  /** What must hold of the ledger where `applied` is not all of it. */
  guard?: string | undefined;
};

/** The lock of node-pg-migrate's own command line, so that it and we never work in one database at once (D11). */
export const migrationLockId = '7241865325823964';
/** The second file of the core lane brings the columns that later bookkeeping writes. */
export const actorSince = { lane: 'core', name: '20261124100000000_ledger-of-runs' };

/**
 * The message takes the lock, checks that the ledger is still as it was read (else SQLSTATE ZF010) and runs file after
 * file. The server runs one message as one transaction: all of it happens or nothing; a file that ends the transaction by
 * itself is found before it is booked (ZF011).
 * @throws Fault migration_invalid where the database has what the lanes do not have
 */
export function planMigration({ lanes, applied, frame, ...input }: PlanInput): MigrationPlan {
  const files: PendingFile[] = [];
  let { withActor } = input;
  let message = opening(frame, input.guard ?? ledgerGuard(applied.length));
  for (const lane of lanes) {
    const pending = pendingOf(lane, applied);
    if (pending.length > 0 && mustMove(lane, input.bookkeeping, frame, files))
      return { files, message, alone: undefined, more: true };
    for (const file of pending) {
      if (!file.up.transaction || file.program?.up === true)
        return { files, message, alone: { lane: lane.name, file }, more: true };
      message += cleanState(frame, lane.name);
      const text = textOf(file.up.statements);
      files.push({ lane: lane.name, name: file.name, text, offset: message.length, hasLines: file.up.made !== true });
      message += `${text}\n;\n${sameTransaction}${cleanState(frame, 'core')}`;
      if (lane.name === actorSince.lane && file.name === actorSince.name) withActor = true;
      message += bookkeeping(lane.name, file, frame, withActor);
      if (addsEnumValue(text)) return { files, message, alone: undefined, more: true };
    }
  }
  return { files, message, alone: undefined, more: false };
}

/** @throws Fault not_reversible where a file has no way back or is not the one that was applied */
export function planUndo({ lanes, applied, frame }: PlanInput, undo: readonly MigrationFile[]): MigrationPlan {
  const files: PendingFile[] = [];
  let message = opening(frame, ledgerGuard(applied.length));
  for (const lane of lanes) {
    for (const { file, down } of doomedOf(lane, applied, undo)) {
      if (!down.transaction || file.program?.down === true)
        return { files, message, alone: { lane: lane.name, file }, more: true };
      message += cleanState(frame, lane.name);
      const text = textOf(down.statements);
      files.push({ lane: lane.name, name: file.name, text, offset: message.length, hasLines: down.made !== true });
      message += `${text}\n;\n${sameTransaction}${cleanState(frame, 'core')}${unbookkeeping(lane.name, file.name, frame)}`;
      if (addsEnumValue(text)) return { files, message, alone: undefined, more: true };
    }
  }
  return { files, message, alone: undefined, more: false };
}

/** The file whose text holds this position (1-based, as PostgreSQL reports it), or undefined. */
export function fileAt(plan: MigrationPlan, position: number): { file: PendingFile; line: number } | undefined {
  const file = plan.files.findLast((candidate) => candidate.offset < position);
  if (file === undefined || position > file.offset + file.text.length) return undefined;
  return { file, line: plan.message.slice(file.offset, position - 1).split('\n').length };
}

/** What makes a file that ran outside of a transaction an applied one, or one that is undone. */
export function recordAlone(
  { lane, file }: NonNullable<MigrationPlan['alone']>,
  direction: 'up' | 'down',
  frame: MigrationFrame,
  expected: number,
): string {
  const change = direction === 'up' ? bookkeeping(lane, file, frame, true) : unbookkeeping(lane, file.name, frame);
  return `${ledgerGuard(expected)}${change}delete from freehold.progress where lane = ${literal(lane)} and name = ${literal(progressName(file, direction))};\n`;
}

/** Under which name the progress of a file is kept: up and down of one file are two things. */
export function progressName(file: MigrationFile, direction: 'up' | 'down'): string {
  return direction === 'up' ? file.name : `${file.name} (down)`;
}

/** Someone ran node-pg-migrate's own command line: what it did becomes a part of the ledger, in its order. */
export function adoptionMessage(
  lane: string,
  files: readonly MigrationFile[],
  frame: MigrationFrame,
  expected: number,
) {
  const rows = files.map(
    ({ name, hash }) =>
      `(${[lane, name, hash].map(literal).join(', ')}, 'node-pg-migrate', 0, ${literal(frame.run)}, ${literal(frame.actor)})`,
  );
  return `${opening(frame, ledgerGuard(expected))}insert into freehold.ledger (lane, name, hash, applied_by, duration_ms, run, actor)
values ${rows.join(', ')};\n`;
}

/** As a message of its own, under the lock: before it nobody books, after it everybody in the new place. */
export function moveMessage(from: BookkeepingTable, frame: MigrationFrame, expected: number): string {
  return `${opening(frame, ledgerGuard(expected))}${moveBookkeeping(from, frame.bookkeeping)}`;
}

function opening(frame: MigrationFrame, guard: string): string {
  return `set local lock_timeout = ${Math.trunc(frame.lockTimeoutMs)};
select pg_catalog.pg_advisory_xact_lock(${migrationLockId});\n${guard}`;
}

/** Whatever the file before has set is undone: role, paths, timeouts and everything else a session can set. */
export function cleanState(frame: MigrationFrame, lane: string): string {
  return `reset all; set role ${frame.owner};
set local lock_timeout = ${Math.trunc(frame.lockTimeoutMs)}; set local statement_timeout = ${Math.trunc(frame.statementTimeoutMs)};
set local search_path = ${searchPathOf(lane)}; set local freehold.transaction = 'same';\n`;
}

// pg_catalog is searched first by itself; pg_temp is named so that it comes last.
export function searchPathOf(lane: string): string {
  return lane === 'core' ? 'freehold, pg_temp' : 'public, pg_temp';
}

const textOf = (statements: readonly string[]): string => statements.join('\n;\n');

function pendingOf(lane: Lane, applied: readonly AppliedFile[]): MigrationFile[] {
  const there = applied.filter((file) => file.lane === lane.name);
  for (const [index, { name, hash }] of there.entries()) {
    const file = lane.files[index];
    if (file?.name === name && file.hash === hash) continue;
    if (file?.name === name)
      throw invalid(lane.name, `${name} was edited after it had been applied; add a new file instead`);
    const known = lane.files.some((candidate) => candidate.name === name);
    throw invalid(
      lane.name,
      known
        ? `${file?.name} comes before ${name}, which is applied already; give it a later time stamp`
        : `${name} is applied but missing from the folder`,
    );
  }
  return lane.files.slice(there.length);
}

/**
 * A value that was added to an enum can be used by the next transaction, not by its own: the message ends behind the file. Also
 * true of text that only looks so, which costs one message.
 */
function addsEnumValue(text: string): boolean {
  return /\balter\s+type\b[^;]*\badd\s+value\b/i.test(text);
}

/** Newest first. Every one is looked at before the first is undone: half the way back is worse than none (M14). */
function doomedOf(lane: Lane, applied: readonly AppliedFile[], undo: readonly MigrationFile[]) {
  const kept = new Map(lane.files.map((file) => [file.name, file.hash]));
  const there = applied.filter((file) => file.lane === lane.name);
  for (const { name, hash } of there)
    if (kept.has(name) && kept.get(name) !== hash)
      throw invalid(
        lane.name,
        `${name} was edited after it had been applied; go back to a release that has it as it is`,
      );
  const doomed = there.filter((file) => !kept.has(file.name)).reverse();
  return doomed.map(({ name, hash }) => {
    const file = undo.find((candidate) => candidate.name === name && candidate.hash === hash);
    if (file === undefined)
      throw catalogFault('not_reversible', `${name} is in no release as it was applied; nothing was undone.`);
    if (file.down === null) throw catalogFault('not_reversible', `${name} declares no way back; nothing was undone.`);
    return { file, down: file.down };
  });
}

/** The table has to be moved first, and the core lane brings what that takes. @throws Fault where it does not */
function mustMove({ name }: Lane, there: BookkeepingTable, frame: MigrationFrame, core: readonly PendingFile[]) {
  if (name !== 'tenant' || isSameTable(there, frame.bookkeeping)) return false;
  if (core.length === 0) throw catalogFault('migration_invalid', coreFirst);
  return true;
}

export const coreFirst = 'Bring the core lane to its head first.';

function bookkeeping(lane: string, { name, hash }: MigrationFile, frame: MigrationFrame, withActor: boolean): string {
  const [columns, values] = withActor
    ? ['run, actor', `${literal(frame.run)}, ${literal(frame.actor)}`]
    : ['run', /^[0-9a-f-]{36}$/.test(frame.run) ? literal(frame.run) : `pg_catalog.md5(${literal(frame.run)})::uuid`];
  const ledger = `insert into freehold.ledger (lane, name, hash, duration_ms, ${columns})
values (${[lane, name, hash].map(literal).join(', ')}, extract(epoch from clock_timestamp() - now()) * 1000, ${values});\n`;
  return lane === 'tenant'
    ? `${ledger}insert into ${nameOf(frame.bookkeeping)} (name, run_on) values (${literal(name)}, now());\n`
    : ledger;
}

function unbookkeeping(lane: string, name: string, { bookkeeping }: MigrationFrame): string {
  const ledger = `delete from freehold.ledger where lane = ${literal(lane)} and name = ${literal(name)};\n`;
  return lane === 'tenant' ? `${ledger}delete from ${nameOf(bookkeeping)} where name = ${literal(name)};\n` : ledger;
}

function invalid(lane: string, what: string) {
  return catalogFault('migration_invalid', `Lane ${lane}: ${what}.`);
}
