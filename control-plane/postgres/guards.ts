// Owns the questions that stand inside a message and end it when the answer is no: is the ledger as it was believed to be
// (ZF010), is this still the transaction that the message began (ZF011)? Plain SQL wherever it can be: a backend that was made
// for one migration would load PL/pgSQL for a single DO block, which takes longer than a small migration itself. Plain SQL
// cannot raise a state of its own, so it casts a text that is no number, and guardError gives the error its name back.
import { PostgresError } from '../../platform/postgres/errors.ts';
import { type BookkeepingTable, nameOf } from './bookkeeping-table.ts';
import { literal } from './sql-literal.ts';

/** The one-off statements in the ledger: no lane that has versions. */
export const execLane = 'exec';

const meanings = {
  ZF010: 'the ledger has moved on',
  ZF011: 'the migration ended its transaction or reset all settings by itself',
} as const;
type GuardState = keyof typeof meanings;

/** The number of rows over all lanes. */
export function ledgerGuard(expected: number): string {
  // Where nothing is applied the table may not be there, and plain SQL that names it would not even be parsed.
  if (expected === 0) return emptyGuard;
  return guard('ZF010', `(select count(*) from freehold.ledger where lane <> '${execLane}') = ${expected}`);
}

/**
 * The tenant lane holds exactly these files, and node-pg-migrate's own command line has applied nothing beside them. Asked
 * instead of a look beforehand where the catalog says how the database stands.
 */
export function laneGuard(applied: readonly { name: string; hash: string }[], bookkeeping: BookkeepingTable): string {
  // As a list and not as a digest, which is shorter: a new backend looks up five functions for it and sorts, and a small
  // migration takes a twentieth longer.
  const files = applied.map(({ name, hash }) => literal(`${name}:${hash}`)).join(', ');
  return guard(
    'ZF010',
    `(select count(*) = ${applied.length} and count(*) filter (where name || ':' || hash in (${files})) = ${applied.length}
    from freehold.ledger where lane = 'tenant')
  and (select count(*) from ${nameOf(bookkeeping)}) = ${applied.length}`,
  );
}

/** A setting of the transaction is gone when the transaction is. */
export const sameTransaction = guard('ZF011', `pg_catalog.current_setting('freehold.transaction', true) = 'same'`);

/** What a guard's error means; every other error as it is. */
export function guardError(error: unknown): unknown {
  if (!(error instanceof PostgresError) || error.sqlstate !== '22P02') return error;
  const state = /(ZF01[01])\. /.exec(error.message)?.[1] as GuardState | undefined;
  return state === undefined
    ? error
    : new PostgresError({ code: state, message: meanings[state] }, error.statementsBefore);
}

export function ledgerMovedOn(cause?: unknown): PostgresError {
  return Object.assign(new PostgresError({ code: 'ZF010', message: meanings.ZF010 }), { cause });
}

function guard(state: GuardState, holds: string): string {
  // The cast stands outside: a constant that is no number would be an error before anybody has asked.
  return `select (case when ${holds} then '0' else '${state}. ' end)::integer;\n`;
}

const emptyGuard = `do $guard$
declare
  found_rows integer := 0;
begin
  if to_regclass('freehold.ledger') is not null then
    execute 'select count(*) from freehold.ledger where lane <> ''${execLane}''' into found_rows;
  end if;
  if found_rows <> 0 then
    raise exception using errcode = 'ZF010', message = '${meanings.ZF010}';
  end if;
end $guard$;
`;
