// Owns every act inside one tenant database: its lanes and its identity row. Always as the _mig login with SET ROLE to the
// owner, so nothing here can reach another database, and whatever a migration makes belongs to the owner.
import { catalogFault } from '../../catalog/errors.ts';
import type { DatabaseId, TenantId } from '../../catalog/ids.ts';
import { type Login, namesOf } from '../../catalog/names.ts';
import type { LaneVersions } from '../../catalog/schema.ts';
import type { Session } from '../../platform/postgres/session.ts';
import { createSessionPool } from '../../platform/postgres/session-pool.ts';
import { versionsOf } from '../migration-files/lane-hash.ts';
import type { Lane } from '../migration-files/migration-file.ts';
import { type BookkeepingTable, defaultBookkeeping } from './bookkeeping-table.ts';
import { bringToHeads } from './bring-to-heads.ts';
import { type ClusterAddress, type IdleSessionsOf, openClusterSession } from './cluster-slots.ts';
import { type DatabaseInspection, inspectDatabase } from './inspect-database.ts';
import { execAndTell, type MigrateOptions, type MigrateOutcome, migrateAndTell } from './migrate-and-tell.ts';
import { readLedger } from './read-ledger.ts';
import { type DatabaseStand, readStand } from './read-stand.ts';
import { type LocksAtBarrier, type Rehearsal, rehearseFile } from './rehearse-file.ts';
import { type RepairOutcome, runRepairs } from './run-repairs.ts';
import type { LookForBlockers } from './watch-lock-waits.ts';

export { DatabaseMigrationFailed } from './describe-migration-error.ts';
export type { MigrateOptions, MigrateOutcome } from './migrate-and-tell.ts';

export type TenantDatabasesDeps = {
  addressOf(databaseId: DatabaseId, login: Login): Promise<ClusterAddress>;
  /** What a new database is brought to. */
  heads(): Promise<readonly Lane[]>;
  /** Who stands before a waiting backend; a tenant's login may not see it (template.sql). Without it nobody is named. */
  lookForBlockers?(databaseId: DatabaseId): LookForBlockers;
  /** Where node-pg-migrate's table of the tenant lane is to stand; its own default when absent. */
  bookkeeping?: BookkeepingTable;
  log: { info(fields: object, message: string): void };
};

export type Identity = { databaseId: string; tenantId: TenantId | null };

export interface TenantDatabases {
  probeLanes(id: DatabaseId): Promise<LaneVersions>;
  /** Every lane to its head, or to where it is asked to be: all pending files in one message and one transaction, as far as they may stand in one. */
  applyLanes(id: DatabaseId, lanes?: readonly Lane[]): Promise<LaneVersions>;
  /**
   * One lane to a target, on the account of a run. Repeated, it goes on where it was.
   * @throws DatabaseMigrationFailed; the signal's reason
   */
  migrate(id: DatabaseId, target: Lane, options: MigrateOptions): Promise<MigrateOutcome>;
  /** Changes nothing. @throws Fault migration_at_work: what is read now may not hold in a moment */
  standOf(id: DatabaseId, run: string): Promise<DatabaseStand>;
  /** One statement in one transaction, once per run and database. @throws DatabaseMigrationFailed; the signal's reason */
  execOnce(
    id: DatabaseId,
    run: string,
    statement: string,
    options: Omit<MigrateOptions, 'run'>,
  ): Promise<MigrateOutcome>;
  /**
   * The last file of `target` in a scratch database that has the ones before it.
   * @param source whose owner everything belongs to, where it is a copy
   * @throws DatabaseMigrationFailed
   */
  rehearse(
    id: DatabaseId,
    target: Lane,
    options: MigrateOptions,
    locks: LocksAtBarrier,
    source?: DatabaseId,
  ): Promise<Rehearsal>;
  /** As the owner, each by itself. @throws Fault migration_at_work */
  repair(id: DatabaseId, statements: readonly string[]): Promise<RepairOutcome[]>;
  /** Only where it is unclaimed or already this tenant's, else Fault identity_mismatch. */
  stampIdentity(id: DatabaseId, tenantId: TenantId): Promise<void>;
  clearIdentity(id: DatabaseId, tenantId: TenantId): Promise<void>;
  /** undefined before the core lane was applied. */
  readIdentity(id: DatabaseId): Promise<Identity | undefined>;
  /** What fsck looks at. Changes nothing and takes no session of the others. */
  inspect(id: DatabaseId): Promise<DatabaseInspection>;
  /** Opens a session ahead of time, so that a claim need not pay for a login. Once again keeps it from being closed as idle. */
  prewarm(id: DatabaseId): Promise<void>;
  /** Those with a session that was opened ahead and is not in use. */
  ready(): DatabaseId[];
  /** Closes the sessions into one database: it is to be dropped or moved. */
  forget(id: DatabaseId): Promise<void>;
  readonly idle: IdleSessionsOf;
  close(): Promise<void>;
}

export function createTenantDatabases(deps: TenantDatabasesDeps): TenantDatabases {
  const { addressOf, heads, log, bookkeeping = defaultBookkeeping } = deps;
  const pool = createSessionPool({
    open: async (key) =>
      openClusterSession(await addressOf(key as DatabaseId, 'mig'), {
        applicationName: 'freehold-tenant-admin',
        parameters: durable,
      }),
    maxTotal: sessionsMax,
    // The login's own limit is three, over all processes.
    maxPerKey: 1,
    idleMs: 60_000,
    maxLifetimeMs: 600_000,
    reset: true,
  });
  const asOwner = <T>(id: DatabaseId, act: (session: Session) => Promise<T>): Promise<T> =>
    pool.use(id, async (session) => {
      await session.query(`set role ${namesOf(id).owner}`);
      return act(session);
    });

  /**
   * A rollout comes to a database once: its session is not kept, so that it does not take the place of those that wait for a
   * claim, and needs neither SET ROLE nor a reset. One that is there already is used: the login may have three.
   */
  const asOwnerOnce = async <T>(id: DatabaseId, owner: string, act: (session: Session) => Promise<T>): Promise<T> => {
    if (pool.stats().byKey(id).open > 0) return asOwner(id, act);
    const session = await openClusterSession(await addressOf(id, 'mig'), {
      applicationName: 'freehold-tenant-admin',
      parameters: { ...durable, role: owner },
    });
    try {
      return await act(session);
    } finally {
      await session.close();
    }
  };

  const migrating = (id: DatabaseId, { owner }: { owner: string } = namesOf(id)) => ({
    asOwner: <T>(act: (session: Session) => Promise<T>) => asOwnerOnce(id, owner, act),
    readOnlyAddress: () => addressOf(id, 'ro'),
    look: deps.lookForBlockers?.(id),
    owner,
    bookkeeping,
  });

  const prewarmed = new Set<DatabaseId>();

  return {
    probeLanes: (id) => asOwner(id, async (session) => versionsOf((await readLedger(session, bookkeeping)).applied)),
    async applyLanes(id, wanted) {
      const lanes = wanted ?? (await heads());
      const { owner } = namesOf(id);
      const { versions, files } = await asOwner(id, (session) => bringToHeads(session, lanes, { owner, bookkeeping }));
      if (files.length > 0) log.info({ databaseId: id, files }, 'migrations applied');
      return versions;
    },
    migrate: (id, target, options) => migrateAndTell(migrating(id), target, options),
    standOf: (id, run) => asOwnerOnce(id, namesOf(id).owner, (session) => readStand(session, run, bookkeeping)),
    execOnce: (id, run, statement, options) => execAndTell(migrating(id), statement, { ...options, run }),
    rehearse(id, target, options, locks, source = id) {
      const { owner } = namesOf(source);
      const migrate = (lane: Lane, with_: MigrateOptions) => migrateAndTell(migrating(id, { owner }), lane, with_);
      return rehearseFile({ address: () => addressOf(id, 'mig'), owner, migrate, locks }, target, options);
    },
    repair: (id, statements) => asOwner(id, (session) => runRepairs(session, statements)),
    stampIdentity: (id, tenantId) => {
      prewarmed.delete(id);
      return asOwner(id, (session) => changeIdentity(session, stampSql, id, tenantId));
    },
    clearIdentity: (id, tenantId) => asOwner(id, (session) => changeIdentity(session, clearSql, id, tenantId)),
    readIdentity: (id) =>
      asOwner(id, async (session) => {
        if (!(await hasCore(session))) return undefined;
        const { rows } = await session.query<Identity>(identitySql);
        return rows[0];
      }),
    inspect: (id) => inspectDatabase(addressOf, id),
    async prewarm(id) {
      // Reads what a claim will write, so that the backend knows the table and we have its plan.
      await asOwner(id, (session) => session.query(identitySql));
      prewarmed.add(id);
    },
    ready: () => {
      const { byKey } = pool.stats();
      for (const id of prewarmed) if (byKey(id).open === 0) prewarmed.delete(id);
      return [...prewarmed];
    },
    forget(id) {
      prewarmed.delete(id);
      return pool.evict(id);
    },
    idle: pool,
    close: () => pool.close(),
  };
}

/** One session each is enough: acts on one database take turns. Idle ones of other databases make room. */
const sessionsMax = 64;
/** A claim that was acknowledged must survive a crash of the cluster, whatever the default there is. */
const durable = { synchronous_commit: 'on' };

const identitySql = 'select database_id as "databaseId", tenant_id as "tenantId" from freehold.identity';
const stampSql = `update freehold.identity set tenant_id = $2, claimed_at = coalesce(claimed_at, now())
  where database_id = $1 and (tenant_id is null or tenant_id = $2)`;
const clearSql = `update freehold.identity set tenant_id = null, claimed_at = null
  where database_id = $1 and (tenant_id is null or tenant_id = $2)`;

async function changeIdentity(session: Session, sql: string, id: DatabaseId, tenantId: TenantId): Promise<void> {
  const { rowCount } = await session.query(sql, [id, tenantId]);
  if (rowCount === 1) return;
  const { rows } = await session.query<Identity>(identitySql);
  throw catalogFault(
    'identity_mismatch',
    'The database belongs to another tenant or is another database; it was left alone. Run fsck.',
    {
      internal: `expected ${id} for ${tenantId}, found ${rows[0]?.databaseId} for ${rows[0]?.tenantId}`,
    },
  );
}

async function hasCore(session: Session): Promise<boolean> {
  const { rows } = await session.query<{ there: boolean }>(
    `select to_regclass('freehold.ledger') is not null as there`,
  );
  return rows[0]?.there === true;
}
