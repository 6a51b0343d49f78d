// Owns rehearsing one file of a lane in a scratch database: applied by the real migrator, and stopped for a moment before its
// transaction ends, so that somebody who may see the locks of the server can say which ones it holds. The file waits at a barrier,
// an advisory lock of that database, which a second session of the owner holds until the look is done.

import type { Session } from '../../platform/postgres/session.ts';
import { laneHash } from '../migration-files/lane-hash.ts';
import type { Lane, MigrationFile } from '../migration-files/migration-file.ts';
import { type ClusterAddress, openClusterSession } from './cluster-slots.ts';
import type { MigrateOptions, MigrateOutcome } from './migrate-and-tell.ts';

export type HeldLock = { relation: string; mode: string };
/** `locks`: the strongest on each relation that was there before; null where the file does not run as one transaction. */
export type Rehearsal = { durationMs: number; locks: HeldLock[] | null };
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
  if (!file.up.transaction || file.program !== null) {
    const { durationMs } = await deps.migrate(target, options);
    return { durationMs, locks: null };
  }
  const parameters = { role: deps.owner };
  const session = await openClusterSession(await deps.address(), { applicationName: 'freehold-rehearsal', parameters });
  try {
    await session.script('create table if not exists freehold.rehearsal (at timestamptz); truncate freehold.rehearsal');
    await session.query(`select pg_catalog.pg_advisory_lock(${barrierId})`);
    const running = { ended: false };
    const migration = deps.migrate(withBarrier(target, file), options).finally(() => {
      running.ended = true;
    });
    migration.catch(() => {}); // awaited below
    const held = await atBarrier(deps.locks, running);
    const locks = held === undefined ? [] : await named(session, held);
    await session.query(`select pg_catalog.pg_advisory_unlock(${barrierId})`);
    await migration;
    return { durationMs: await tookMs(session), locks };
  } finally {
    await session.close();
  }
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

/** What the file itself has made is not seen from here, and nobody waits for it. */
async function named(session: Session, held: readonly { oid: string; mode: string }[]): Promise<HeldLock[]> {
  const strongest = new Map<string, number>();
  for (const { oid, mode } of held) strongest.set(oid, Math.max(strongest.get(oid) ?? 0, modes.indexOf(mode)));
  const { rows } = await session.query<{ oid: string; relation: string }>(
    `select c.oid::text as oid, format('%I.%I', n.nspname, c.relname) as relation
     from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.oid::text = any (string_to_array($1, ',')) and n.nspname not in ('pg_catalog', 'pg_toast', 'freehold') order by 2`,
    [[...strongest.keys()].join(',')],
  );
  return rows.map(({ oid, relation }) => ({ relation, mode: modes[strongest.get(oid) ?? 0] as string }));
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
