// Owns reading what is applied in one database: the ledger, in the order of the files, and what node-pg-migrate's own command
// line has applied without it.
import type { Session } from '../../platform/postgres/session.ts';
import { compareNames } from '../migration-files/lane-hash.ts';
import { type AppliedFile, execLane } from './plan-migration.ts';

export type LedgerRow = AppliedFile & { run: string };
/**
 * `withActor`: the columns of the core lane's second file are there. `foreign`: what node-pg-migrate's own command line has
 * applied to the tenant lane, oldest first.
 */
export type Ledger = { there: boolean; withActor: boolean; applied: LedgerRow[]; foreign: string[] };

export async function readLedger(session: Session): Promise<Ledger> {
  const { rows: found } = await session.query<{ there: boolean; withActor: boolean }>(foundSql);
  const { there, withActor } = found[0] as { there: boolean; withActor: boolean };
  if (!there) return { there, withActor, applied: [], foreign: [] };
  const { rows } = await session.query<LedgerRow & { position: number | null }>(ledgerSql);
  const applied = rows
    .filter((row) => row.position === null)
    .map(({ lane, name, hash, run }) => ({ lane, name, hash, run }));
  const foreign = rows.filter((row) => row.position !== null).sort((a, b) => Number(a.position) - Number(b.position));
  return {
    there,
    withActor,
    applied: applied.sort((a, b) => compareNames(a.name, b.name)),
    foreign: foreign.map((row) => row.name),
  };
}

const foundSql = `select to_regclass('freehold.ledger') is not null as there,
  exists (select from pg_catalog.pg_attribute where attrelid = to_regclass('freehold.ledger') and attname = 'actor') as "withActor"`;
/** One question for both tables: a member of a rollout costs as many round trips as there are questions. */
const ledgerSql = `select lane, name, hash, run::text as run, null::integer as position
  from freehold.ledger where lane <> '${execLane}'
  union all select 'tenant', p.name, '', '', p.id from public.pgmigrations p
  where not exists (select from freehold.ledger l where l.lane = 'tenant' and l.name = p.name)`;
