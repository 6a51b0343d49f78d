// Owns rehearsing one file of a lane in a scratch database: applied by the real migrator, and stopped for a moment before its
// transaction ends, so that somebody who may see the locks of the server can say which ones it holds. The file waits at a barrier,
// an advisory lock of that database, which a second session of the owner holds until the look is done.

import type { Session } from '../../platform/postgres/session.ts';
import { laneHash } from '../migration-files/lane-hash.ts';
import type { Lane, MigrationFile } from '../migration-files/migration-file.ts';
import { type ClusterAddress, openClusterSession } from './cluster-slots.ts';
import type { MigrateOptions, MigrateOutcome } from './migrate-and-tell.ts';
import { lookAtRelations, type RelationSize, type RelationsLook, rewrittenSince } from './relations-look.ts';

export type HeldLock = RelationSize & { mode: string };
/**
 * `locks`: the strongest on each relation that was there before; null where the file does not run as one transaction.
 * `rewritten`: tables of which every row was written again. Sizes are those before the file.
 */
export type Rehearsal = { durationMs: number; locks: HeldLock[] | null; rewritten: RelationSize[] };
/** What the backend that waits at the barrier holds, by oid; undefined while nobody waits there. */
export type LocksAtBarrier = () => Promise<{ oid: string; mode: string }[] | undefined>;

export type RehearsalDeps = {
  /** Of the migration login: it holds the barrier. */
  address(): Promise<ClusterAddress>;
  owner: string;
  migrate(target: Lane, options: MigrateOptions): Promise<MigrateOutcome>;
  locks: LocksAtBarrier;
};

/** Low, so that it is all in pg_locks.objid; no migration uses advisory locks of its own by number. */
export const barrierId = 72_418;

/** @throws what the migrator throws */
export async function rehearseFile(deps: RehearsalDeps, target: Lane, options: MigrateOptions): Promise<Rehearsal> {
  const file = target.files.at(-1) as MigrationFile;
  const parameters = { role: deps.owner };
  const session = await openClusterSession(await deps.address(), { applicationName: 'freehold-rehearsal', parameters });
  try {
    const before = await lookAtRelations(session);
    const isOneTransaction = file.up.transaction && file.program === null;
    const ran = isOneTransaction
      ? await runToBarrier(deps, session, before, target, options)
      : { durationMs: (await deps.migrate(target, options)).durationMs, locks: null };
    return { ...ran, rewritten: await rewrittenSince(session, before) };
  } finally {
    await session.close();
  }
}

async function runToBarrier(
  deps: RehearsalDeps,
  session: Session,
  before: RelationsLook,
  target: Lane,
  options: MigrateOptions,
): Promise<Omit<Rehearsal, 'rewritten'>> {
  await session.script('create table if not exists freehold.rehearsal (at timestamptz); truncate freehold.rehearsal');
  await session.query(`select pg_catalog.pg_advisory_lock(${barrierId})`);
  const running = { ended: false };
  const stopped = withBarrier(target, target.files.at(-1) as MigrationFile);
  const migration = deps.migrate(stopped, options).finally(() => {
    running.ended = true;
  });
  migration.catch(() => {}); // awaited below
  const held = await atBarrier(deps.locks, running);
  await session.query(`select pg_catalog.pg_advisory_unlock(${barrierId})`);
  await migration;
  return { durationMs: await tookMs(session), locks: named(held ?? [], before) };
}

/**
 * Its first and its last statement tell the time; on the first line, so that line numbers stay those of the file. The wait at the
 * barrier is ours and not the file's: under its lock_timeout, a look that is slow for once would fail a good file.
 */
function withBarrier(target: Lane, file: MigrationFile): Lane {
  const now = 'insert into freehold.rehearsal values (pg_catalog.clock_timestamp());';
  const text = `${now} ${file.up.statements.join('\n;\n')}\n;\n${now}\nset local lock_timeout = 0;\nselect pg_catalog.pg_advisory_xact_lock(${barrierId})`;
  const stopped = { ...file, up: { transaction: true, statements: [text] } };
  const files = [...target.files.slice(0, -1), stopped];
  return { ...target, files, hash: laneHash(files) };
}

const pauseMs = 10;

async function atBarrier(locks: LocksAtBarrier, running: { ended: boolean }) {
  while (!running.ended) {
    const held = await locks();
    if (held !== undefined) return held;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  return undefined;
}

const modes = [
  'AccessShareLock',
  'RowShareLock',
  'RowExclusiveLock',
  'ShareUpdateExclusiveLock',
  'ShareLock',
  'ShareRowExclusiveLock',
  'ExclusiveLock',
  'AccessExclusiveLock',
];

/** What the file itself has made was not there before, and nobody waits for it. */
function named(held: readonly { oid: string; mode: string }[], before: RelationsLook): HeldLock[] {
  const strongest = new Map<string, number>();
  for (const { oid, mode } of held) strongest.set(oid, Math.max(strongest.get(oid) ?? 0, modes.indexOf(mode)));
  return [...strongest]
    .flatMap(([oid, mode]) => {
      const of = before.get(oid);
      if (of === undefined) return [];
      return [{ relation: of.relation, mode: modes[mode] as string, bytes: of.bytes, rows: of.rows }];
    })
    .sort((a, b) => (a.relation < b.relation ? -1 : 1));
}

async function tookMs(session: Session): Promise<number> {
  const { rows } = await session.query<{ ms: number }>(
    'select round(extract(epoch from max(at) - min(at)) * 1000)::float8 as ms from freehold.rehearsal',
  );
  return rows[0]?.ms ?? 0;
}

/** As the provisioner: a tenant's login may not see the locks of its server (sql/template.sql). */
export async function locksAtBarrier(session: Session, database: string): ReturnType<LocksAtBarrier> {
  const { rows } = await session.query<{ oid: string | null; mode: string | null }>(
    `select l.relation::oid::text as oid, l.mode from pg_catalog.pg_locks w
       left join pg_catalog.pg_locks l on l.pid = w.pid and l.granted and l.locktype = 'relation' and l.database = w.database
     where w.locktype = 'advisory' and not w.granted and w.classid = 0 and w.objid = ${barrierId} and w.objsubid = 1
       and w.database = (select d.oid from pg_catalog.pg_database d where d.datname = $1)`,
    [database],
  );
  if (rows.length === 0) return undefined;
  return rows.flatMap(({ oid, mode }) => (oid === null || mode === null ? [] : [{ oid, mode }]));
}
