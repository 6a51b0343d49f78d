// Owns everything done to a cluster after its installation, as the provisioner login. Every act may be repeated without
// harm; nothing is ever done to a database or role that does not bear our mark (Fault not_our_object).
import type { ClusterId, DatabaseId } from '../../catalog/ids.ts';
import { type Login, namesOf } from '../../catalog/names.ts';
import type { Blocker } from '../../catalog/rollout-policy.ts';
import type { Session } from '../../platform/postgres/session.ts';
import { createSessionPool, type SessionPool } from '../../platform/postgres/session-pool.ts';
import { asFaults, notOurs, notWhole } from './cluster-faults.ts';
import { type ClusterInventory, readInventory } from './cluster-inventory.ts';
import { type ClusterMarks, createClusterMarks, type MarkSealer } from './cluster-marks.ts';
import { rolesOf } from './cluster-names.ts';
import { type ClusterAddress, type IdleSessionsOf, openClusterSession } from './cluster-slots.ts';
import { dropOwnedElsewhere } from './drop-owned-elsewhere.ts';
import { endSessions, terminate } from './end-sessions.ts';
import { lookAnyway } from './look-anyway.ts';
import { lookForBlockers } from './look-for-blockers.ts';
import { type CopyOptions, copyDatabase, createUnlessThere, type SourceLook } from './make-database.ts';
import { type LocksAtBarrier, locksAtBarrier } from './rehearse-file.ts';
import { retryOnBusyCatalog } from './retry-on-busy-catalog.ts';
import { busyFor, endOverdue, type OverdueLimits, type OverdueSession, sessionsByName } from './tenant-sessions.ts';
import { textArray } from './text-array.ts';

export type { ClusterInventory } from './cluster-inventory.ts';
export type { SourceLook } from './make-database.ts';

export type DatabaseLimits = { loginConnectionsMax: number; tempFileKibMax: number; statementTimeoutMs: number };

export type RolesState = 'absent' | 'partial' | 'ours' | 'foreign';
/**
 * unfinished: CREATE DATABASE is done, the rights are not set; createDatabase completes it, dropDatabase removes it.
 * closed: ALLOW_CONNECTIONS false. invalid: half dropped; only dropDatabase works.
 */
export type DatabaseProbe = 'absent' | 'unfinished' | 'closed' | 'open' | 'invalid' | 'foreign';

export interface ClusterAdmin {
  probeRoles(id: DatabaseId): Promise<RolesState>;
  makeRoles(id: DatabaseId, verifiers: Record<Login, string>, limits: DatabaseLimits): Promise<void>;
  probeDatabase(id: DatabaseId): Promise<DatabaseProbe>;
  /** From the cluster's template, closed, rights set, marked. The roles must be there. */
  createDatabase(id: DatabaseId): Promise<void>;
  /** Before it is copied. @throws Fault cluster_outdated */
  lookAtSource(id: DatabaseId): Promise<SourceLook>;
  /**
   * As createDatabase, with everything that is in another one. Its roles must be there, and nothing else.
   * @throws Fault clone_source_in_use | cluster_outdated
   */
  cloneDatabase(id: DatabaseId, source: DatabaseId, options: CopyOptions): Promise<void>;
  openDatabase(id: DatabaseId): Promise<void>;
  /** Closes, terminates, counts what is left after at most `fenceWaitMs`. */
  fenceDatabase(id: DatabaseId): Promise<{ terminated: number; left: number }>;
  /** Ends the sessions of the database once, without closing it. */
  terminateSessions(id: DatabaseId): Promise<number>;
  blockersOf(id: DatabaseId, pid: number): Promise<Blocker[]>;
  /** Of a file that is rehearsed in this database. */
  locksAtBarrier(id: DatabaseId): ReturnType<LocksAtBarrier>;
  setLimits(id: DatabaseId, limits: DatabaseLimits): Promise<void>;
  setVerifier(id: DatabaseId, login: Login, verifier: string): Promise<void>;
  dropDatabase(id: DatabaseId): Promise<void>;
  dropRoles(id: DatabaseId): Promise<void>;
  inventory(): Promise<ClusterInventory>;
  ping(): Promise<{ serverVersionNum: number; sessions: number }>;
  /** Sessions of tenants' logins and of provisioners, by the application name they show. */
  sessionsByName(): Promise<Map<string, number>>;
  /** Databases in which a tenant's login has been at one statement or in one transaction for so long. */
  busyFor(atLeastMs: number): Promise<string[]>;
  /** Ends the sessions of tenants' logins that are over their limits, and tells which (D08, D09). */
  endOverdue(limits: readonly OverdueLimits[]): Promise<OverdueSession[]>;
}

export type ClusterAdminsDeps = {
  /** The provisioner's way into the database freehold_admin. */
  addressOf(clusterId: ClusterId): Promise<ClusterAddress>;
  sealer: MarkSealer;
  log: { warn(fields: object, message: string): void };
};

export type ClusterAdmins = {
  of(clusterId: ClusterId): ClusterAdmin;
  forget(clusterId: ClusterId): Promise<void>;
  readonly idle: IdleSessionsOf;
  close(): Promise<void>;
};

export function createClusterAdmins({ addressOf, sealer, log }: ClusterAdminsDeps): ClusterAdmins {
  const marks = createClusterMarks(sealer);
  const open = async (clusterId: ClusterId, database?: string) => {
    const address = await addressOf(clusterId);
    return openClusterSession(database === undefined ? address : { ...address, database }, {
      applicationName: 'freehold-provisioner',
      parameters: durable,
    });
  };
  const openUncounted = async (clusterId: ClusterId) => {
    const { slots: _, ...server } = await addressOf(clusterId);
    return openClusterSession(server, { applicationName: 'freehold-provisioner', parameters: durable });
  };
  const pool = createSessionPool({
    open: (key) => open(key as ClusterId),
    maxTotal: sessionsMax,
    maxPerKey: sessionsPerClusterMax,
    idleMs: 30_000,
    maxLifetimeMs: 600_000,
    reset: true,
  });
  return {
    of: (clusterId) =>
      createClusterAdmin({
        pool,
        clusterId,
        marks,
        log,
        openIn: (database) => open(clusterId, database),
        openUncounted: () => openUncounted(clusterId),
      }),
    forget: (clusterId) => pool.evict(clusterId),
    idle: pool,
    close: () => pool.close(),
  };
}

/** CREATE DATABASE gains nothing from more than four at a time on one server (LIMITS.md, 1); the rest are short acts. */
const sessionsPerClusterMax = 8;
const sessionsMax = 64;
/** What the catalog calls done must survive a crash of the cluster, whatever the default there is. */
const durable = { synchronous_commit: 'on' };

type AdminDeps = {
  pool: SessionPool;
  clusterId: ClusterId;
  marks: ClusterMarks;
  log: ClusterAdminsDeps['log'];
  openIn(database: string): Promise<Session>;
  /** Beside the connection budget. */
  openUncounted(): Promise<Session>;
};

type DatabaseRow = { owner: string; open: boolean; invalid: boolean; mark: string | null; owner_mark: string | null };

function createClusterAdmin({ pool, clusterId, marks, log, openIn, openUncounted }: AdminDeps): ClusterAdmin {
  const use = <T>(act: (session: Session) => Promise<T>): Promise<T> =>
    asFaults(() => retryOnBusyCatalog(() => pool.use(clusterId, act)));
  const look = <T>(act: (session: Session) => Promise<T>) => lookAnyway(pool, clusterId, openUncounted, act);
  /** Name and proofs are the first two arguments of every function that acts. */
  const keyOf = (id: DatabaseId): [string, string] => [namesOf(id).database, textArray(marks.proofs(id))];
  const call = (session: Session, sql: string, params: unknown[]) => session.query(`select freehold.${sql}`, params);

  const findDatabase = async (session: Session, id: DatabaseId): Promise<DatabaseRow | undefined> =>
    (await session.query<DatabaseRow>(databaseSql, [namesOf(id).database])).rows[0];
  const stateOf = (id: DatabaseId, row: DatabaseRow | undefined): DatabaseProbe => {
    if (row === undefined) return 'absent';
    if (row.owner !== namesOf(id).owner || marks.read(id, row.mark ?? row.owner_mark) !== 'ours') return 'foreign';
    if (row.invalid) return 'invalid';
    if (row.mark === null) return 'unfinished';
    return row.open ? 'open' : 'closed';
  };
  const probe = async (session: Session, id: DatabaseId) => stateOf(id, await findDatabase(session, id));

  /** The session that lent the owner takes it back even when the act failed; if that fails too, the next act's end does. */
  const asOwner = async (session: Session, id: DatabaseId, act: () => Promise<void>): Promise<void> => {
    await call(session, 'lend_owner($1, $2::text[])', keyOf(id));
    try {
      await act();
    } finally {
      if (session.usable) await call(session, 'take_back_owner($1)', [namesOf(id).database]);
    }
  };

  return {
    probeRoles: (id) =>
      use(async (session) => {
        const { rows } = await session.query<{ mark: string | null }>(rolesSql, [textArray(rolesOf(namesOf(id)))]);
        if (rows.length === 0) return 'absent';
        if (rows.some((row) => marks.read(id, row.mark) !== 'ours')) return 'foreign';
        return rows.length === 6 ? 'ours' : 'partial';
      }),
    makeRoles: (id, verifiers, limits) =>
      use(async (session) => {
        const json = [JSON.stringify(verifiers), JSON.stringify(limits)];
        await call(session, 'make_roles($1, $2::text[], $3::text::jsonb, $4::text::jsonb)', [...keyOf(id), ...json]);
      }),
    probeDatabase: (id) => use((session) => probe(session, id)),
    createDatabase: (id) =>
      use(async (session) => {
        const before = await probe(session, id);
        if (before === 'foreign') throw notOurs(id, 'database');
        if (before === 'invalid') throw notWhole(id);
        if (before === 'absent') await asOwner(session, id, () => createUnlessThere(session, id));
        await call(session, 'finish_database($1, $2::text[])', keyOf(id));
      }),
    lookAtSource: (id) =>
      use(async (session) => {
        const sql = 'select open, sessions, bytes::float8 as bytes from freehold.look_at_source($1, $2::text[])';
        return (await session.query<SourceLook>(sql, keyOf(id))).rows[0] as SourceLook;
      }),
    cloneDatabase: (id, source, options) =>
      use(async (session) => {
        await call(session, 'lend_source($1, $2::text[], $3, $4::text[])', [...keyOf(id), ...keyOf(source)]);
        await asOwner(session, id, () => copyDatabase(session, id, source, options));
        await call(session, 'finish_database($1, $2::text[])', keyOf(id));
      }),
    openDatabase: (id) =>
      use(async (session) => void (await call(session, 'set_open($1, $2::text[], true)', keyOf(id)))),
    fenceDatabase: (id) =>
      use(async (session) => {
        const state = await probe(session, id);
        if (state === 'foreign') throw notOurs(id, 'database');
        if (state === 'absent') return { terminated: 0, left: 0 };
        if (state !== 'invalid') await call(session, 'set_open($1, $2::text[], false)', keyOf(id));
        const ended = await endSessions(session, keyOf(id));
        if (ended.left > 0) log.warn({ databaseId: id, left: ended.left }, 'sessions left after fencing');
        return ended;
      }),
    terminateSessions: (id) => use((session) => terminate(session, keyOf(id))),
    blockersOf: (id, pid) => use((session) => lookForBlockers(session, namesOf(id).database, pid)),
    locksAtBarrier: (id) => use((session) => locksAtBarrier(session, namesOf(id).database)),
    setLimits: (id, limits) =>
      use(async (session) => {
        await call(session, 'set_limits($1, $2::text[], $3::text::jsonb)', [...keyOf(id), JSON.stringify(limits)]);
      }),
    setVerifier: (id, login, verifier) =>
      use(async (session) => {
        await call(session, 'set_verifier($1, $2::text[], $3, $4)', [...keyOf(id), login, verifier]);
      }),
    dropDatabase: (id) =>
      use(async (session) => {
        const state = await probe(session, id);
        if (state === 'absent') return;
        if (state === 'foreign') throw notOurs(id, 'database');
        if (state !== 'invalid') {
          await call(session, 'set_open($1, $2::text[], false)', keyOf(id));
          await endSessions(session, keyOf(id));
        }
        await asOwner(session, id, async () => {
          await session.query(`drop database if exists ${namesOf(id).database}`);
        });
      }),
    dropRoles: (id) =>
      use(async (session) => {
        await dropOwnedElsewhere({ session, id, marks, openIn });
        await call(session, 'drop_roles($1, $2::text[])', keyOf(id));
      }),
    inventory: () => use((session) => readInventory(session, marks)),
    ping: () =>
      look(async (session) => {
        const { rows } = await session.query<{ version: number; sessions: number }>(pingSql);
        return { serverVersionNum: rows[0]?.version ?? 0, sessions: rows[0]?.sessions ?? 0 };
      }),
    sessionsByName: () => look(sessionsByName),
    busyFor: (atLeastMs) => use((session) => busyFor(session, atLeastMs)),
    endOverdue: (limits) => use((session) => endOverdue(session, limits)),
  };
}

const rolesSql = `select shobj_description(oid, 'pg_authid') as mark from pg_roles where rolname = any ($1::text[])`;
const databaseSql = `select r.rolname as owner, d.datallowconn as open, d.datconnlimit = -2 as invalid,
    shobj_description(d.oid, 'pg_database') as mark, shobj_description(r.oid, 'pg_authid') as owner_mark
  from pg_database d join pg_roles r on r.oid = d.datdba where d.datname = $1`;
const pingSql = `select current_setting('server_version_num')::int as version,
  (select coalesce(sum(numbackends), 0)::int from pg_stat_database) as sessions`;
