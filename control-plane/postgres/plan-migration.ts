// Owns the decision what is missing in one database, and the one message that brings it there. Pure: it is tested without
// a server, and the same message serves every database that stands at the same point.
import { catalogFault } from '../../catalog/errors.ts';
import type { Lane, MigrationFile } from '../migration-files/migration-file.ts';

export type AppliedFile = { lane: string; name: string; hash: string };
export type PendingFile = MigrationFile & { lane: string /** Where its text begins in the message. */; offset: number };
export type MigrationPlan = { files: PendingFile[]; message: string };

/** The lock of node-pg-migrate's own command line, so that it and we never work in one database at once (D11). */
export const migrationLockId = '7241865325823964';

/**
 * The message takes the lock, checks that the ledger is still as it was read (else SQLSTATE ZF010) and runs file after
 * file. The server runs one message as one transaction: all of it happens or nothing.
 * @throws Fault migration_invalid where the database has what the lanes do not have
 */
export function planMigration(lanes: readonly Lane[], applied: readonly AppliedFile[], run: string): MigrationPlan {
  const files: PendingFile[] = [];
  let message = `select pg_catalog.pg_advisory_xact_lock(${migrationLockId});\n${ledgerGuard(applied.length)}`;
  for (const lane of lanes) {
    for (const file of pendingOf(lane, applied)) {
      message += `set local search_path = ${searchPaths[lane.name]};\n`;
      files.push({ ...file, lane: lane.name, offset: message.length });
      message += `${textOf(file)}\n;\n${bookkeeping(lane.name, file, run)}`;
    }
  }
  return { files, message };
}

/** The file whose text holds this position (1-based, as PostgreSQL reports it), or undefined. */
export function fileAt(plan: MigrationPlan, position: number): { file: PendingFile; line: number } | undefined {
  const file = plan.files.findLast((candidate) => candidate.offset < position);
  if (file === undefined || position > file.offset + textOf(file).length) return undefined;
  return { file, line: plan.message.slice(file.offset, position - 1).split('\n').length };
}

const textOf = ({ up }: MigrationFile): string => up.statements.join('\n;\n');

// pg_catalog is searched first by itself; pg_temp is named so that it comes last.
const searchPaths: Readonly<Record<string, string>> = { core: 'freehold, pg_temp', tenant: 'public, pg_temp' };

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

function ledgerGuard(expected: number): string {
  return `do $guard$
declare
  found_rows integer := 0;
begin
  if to_regclass('freehold.ledger') is not null then
    execute 'select count(*) from freehold.ledger' into found_rows;
  end if;
  if found_rows <> ${expected} then
    raise exception using errcode = 'ZF010', message = 'the ledger has moved on';
  end if;
end $guard$;
`;
}

/** Names and hashes are checked by read-folder.ts against patterns without quotes. */
function bookkeeping(lane: string, { name, hash }: MigrationFile, run: string): string {
  const ledger = `insert into freehold.ledger (lane, name, hash, duration_ms, run)
values ('${lane}', '${name}', '${hash}', extract(epoch from clock_timestamp() - now()) * 1000, '${run}');\n`;
  return lane === 'tenant'
    ? `${ledger}insert into public.pgmigrations (name, run_on) values ('${name}', now());\n`
    : ledger;
}

function invalid(lane: string, what: string) {
  return catalogFault('migration_invalid', `Lane ${lane}: ${what}.`);
}
