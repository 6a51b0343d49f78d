// Owns reading what is applied in one database: the ledger, in the order of the files, and what node-pg-migrate's own command
// line has applied without it.
import type { Session } from '../../platform/postgres/session.ts';
import { compareNames } from '../migration-files/lane-hash.ts';
import { type AppliedFile, execLane } from './plan-migration.ts';

export type LedgerRow = AppliedFile & { run: string; durationMs: number; at: string };
/** `withActor`: the columns of the core lane's second file are there. */
export type Ledger = { there: boolean; withActor: boolean; applied: LedgerRow[] };

export async function readLedger(session: Session): Promise<Ledger> {
  const { rows: found } = await session.query<{ there: boolean; withActor: boolean }>(foundSql);
  const { there, withActor } = found[0] as { there: boolean; withActor: boolean };
  if (!there) return { there, withActor, applied: [] };
  const { rows } = await session.query<LedgerRow>(ledgerSql);
  return { there, withActor, applied: rows.sort((a, b) => compareNames(a.name, b.name)) };
}

/** Oldest first. */
export async function readForeignNames(session: Session): Promise<string[]> {
  const { rows } = await session.query<{ name: string }>(foreignSql);
  return rows.map((row) => row.name);
}

/**
 * How long each file of a run took: the ledger has the time from the beginning of its transaction, whose files it names by the
 * moment they share.
 */
export function filesOf(applied: readonly LedgerRow[], before: readonly AppliedFile[]) {
  const known = new Set(before.map((file) => `${file.lane}/${file.name}`));
  const fresh = applied.filter((file) => !known.has(`${file.lane}/${file.name}`));
  return fresh.map((file) => {
    const earlier = fresh.filter((other) => other.at === file.at && other.durationMs < file.durationMs);
    return { name: file.name, durationMs: file.durationMs - Math.max(0, ...earlier.map((other) => other.durationMs)) };
  });
}

const foundSql = `select to_regclass('freehold.ledger') is not null as there,
  exists (select from pg_catalog.pg_attribute where attrelid = to_regclass('freehold.ledger') and attname = 'actor') as "withActor"`;
const ledgerSql = `select lane, name, hash, run::text as run, duration_ms as "durationMs", applied_at::text as at
  from freehold.ledger where lane <> '${execLane}'`;
const foreignSql = `select name from public.pgmigrations p
  where not exists (select from freehold.ledger l where l.lane = 'tenant' and l.name = p.name) order by id`;
