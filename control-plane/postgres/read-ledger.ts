// Owns reading what is applied in one database: the ledger, in the order of the files, and what node-pg-migrate's own command
// line has applied without it.
import type { Session } from '../../platform/postgres/session.ts';
import { compareNames } from '../migration-files/lane-hash.ts';
import { type BookkeepingTable, defaultBookkeeping, nameOf } from './bookkeeping-table.ts';
import { execLane } from './guards.ts';
import type { AppliedFile } from './plan-migration.ts';

export type LedgerRow = AppliedFile & { run: string };
export type Ledger = {
  /** The columns of the core lane's second file are there. */
  withActor: boolean;
  /** So is the table of its third. */
  mayMove: boolean;
  /** Where node-pg-migrate's table stands. */
  bookkeeping: BookkeepingTable;
  applied: LedgerRow[];
  /** What node-pg-migrate's own command line has applied to the tenant lane, oldest first. */
  foreign: string[];
  /** Nobody has looked: believed-ledger.ts. */
  believed?: true;
};

/** @param wanted where the table of the command line should stand; where it does not, nothing is read of it before it was moved */
export async function readLedger(session: Session, wanted: BookkeepingTable): Promise<Ledger> {
  const { rows: found } = await session.query<Found>(foundSql, [nameOf(wanted)]);
  const { there, withActor, mayMove, isThere } = found[0] as Found;
  if (!there) return { withActor, mayMove, bookkeeping: defaultBookkeeping, applied: [], foreign: [] };
  const { rows } = await session.query<Row>(
    `${mayMove ? ledgerSql : oldLedgerSql}${isThere ? foreignSql(nameOf(wanted)) : ''}`,
  );
  const foreign = rows.filter((row) => row.position !== null).sort((a, b) => Number(a.position) - Number(b.position));
  const own = rows.filter((row) => row.position === null);
  // The core lane brings the place, so a ledger that tells it has rows.
  const { schema, table } = own[0] ?? defaultBookkeeping;
  return {
    withActor,
    mayMove,
    bookkeeping: { schema, table },
    applied: own
      .map(({ lane, name, hash, run }) => ({ lane, name, hash, run }))
      .sort((a, b) => compareNames(a.name, b.name)),
    foreign: foreign.map((row) => row.name),
  };
}

type Found = { there: boolean; withActor: boolean; mayMove: boolean; isThere: boolean };
type Row = LedgerRow & BookkeepingTable & { position: number | null };

const foundSql = `select to_regclass('freehold.ledger') is not null as there,
  exists (select from pg_catalog.pg_attribute where attrelid = to_regclass('freehold.ledger') and attname = 'actor') as "withActor",
  to_regclass('freehold.bookkeeping') is not null as "mayMove", to_regclass($1) is not null as "isThere"`;
/** One question for all tables: a member of a rollout costs as many round trips as there are questions. */
const ledgerSql = `select lane, name, hash, run::text as run, null::integer as position, b.schema_name as schema, b.table_name as "table"
  from freehold.ledger, freehold.bookkeeping b where lane <> '${execLane}'`;
const oldLedgerSql = `select lane, name, hash, run::text as run, null::integer as position,
    '${defaultBookkeeping.schema}' as schema, '${defaultBookkeeping.table}' as "table"
  from freehold.ledger where lane <> '${execLane}'`;
const foreignSql = (table: string) => `
  union all select 'tenant', p.name, '', '', row_number() over (order by p.run_on, p.id)::integer, '', '' from ${table} p
  where not exists (select from freehold.ledger l where l.lane = 'tenant' and l.name = p.name)`;
