// Owns databases that are made to be looked at and dropped: with roles and passwords of their own, as no tenant's, at the files that
// are asked for, or with everything that a tenant's database holds. The row comes first and its lease is moved ahead while somebody uses it; the end is the drop-database operation that
// every database has. So a process that dies in the middle leaves a row that orphan-databases finds, and nothing else.
import { systemCaller } from '../../../catalog/caller.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import { type ClusterId, type DatabaseId, newId } from '../../../catalog/ids.ts';
import { type Login, logins, secretContext } from '../../../catalog/names.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { reserveSlotOn } from '../../../catalog/placement.ts';
import { clusterForScratch, extendScratch, insertScratch } from '../../../catalog/scratch-databases.ts';
import type { Log } from '../../../platform/log.ts';
import { scramVerifier } from '../../../platform/postgres/scram.ts';
import type { Sealer } from '../../../platform/sealing.ts';
import type { Lane } from '../../migration-files/migration-file.ts';
import { stockLimits } from '../../operations/database-limits.ts';
import { sealPasswords } from '../../operations/seal-passwords.ts';
import { startDropDatabase } from '../../operations/start/start-drop-database.ts';
import type { Wake } from '../../operations/wake.ts';
import type { ClusterAdmins } from '../../postgres/cluster-admin.ts';
import type { TenantDatabases } from '../../postgres/tenant-database.ts';

export type ScratchDeps = {
  readonly catalog: CatalogDb;
  readonly clusters: Pick<ClusterAdmins, 'of'>;
  readonly databases: Pick<TenantDatabases, 'applyLanes' | 'forget'>;
  readonly sealer: Sealer;
  readonly wake: Wake;
  readonly log: Log;
};

type Use<T> = (id: DatabaseId, cluster: ClusterId) => Promise<T>;
/** `timeoutMs`: see CopyOptions. */
export type CloneSource = { databaseId: DatabaseId; clusterId: ClusterId; bytes: number; timeoutMs: number | null };

export type ScratchDatabases = {
  /** @throws Fault no_capacity; what `use` throws. It is dropped afterwards in every case. */
  with<T>(wanted: { serverMajor: number; lanes: readonly Lane[]; purpose: string }, use: Use<T>): Promise<T>;
  /**
   * A copy of a tenant's database, beside it: nobody's login but its own gets in, and what is in it belongs to the owner of the source.
   * @throws Fault no_capacity | clone_source_in_use | cluster_outdated; what `use` throws. It is dropped afterwards in every case.
   */
  withClone<T>(source: CloneSource, purpose: string, use: Use<T>, signal?: AbortSignal): Promise<T>;
};

/** Longer than any pause of a healthy process; what one that died has left is dropped after it. */
const leaseMs = 60_000;
const renewEveryMs = leaseMs / 4;

export function createScratchDatabases(deps: ScratchDeps): ScratchDatabases {
  return {
    async with({ serverMajor, lanes, purpose }, use) {
      const clusterId = await clusterForScratch(deps.catalog, serverMajor);
      if (clusterId === undefined)
        throw catalogFault(
          'no_capacity',
          `No healthy cluster of PostgreSQL ${serverMajor} has room for a scratch database.`,
        );
      const make = async (id: DatabaseId) => {
        const admin = deps.clusters.of(clusterId);
        await admin.createDatabase(id);
        await admin.openDatabase(id);
        await deps.databases.applyLanes(id, lanes);
      };
      return hold(deps, { clusterId, cloneOf: null, purpose }, make, use);
    },
    withClone(source, purpose, use, signal) {
      const { clusterId, databaseId, bytes, timeoutMs } = source;
      const make = async (id: DatabaseId) => {
        const admin = deps.clusters.of(clusterId);
        // Its last session may be ours.
        await deps.databases.forget(databaseId);
        await admin.cloneDatabase(id, databaseId, { bytes, timeoutMs, signal });
        await admin.openDatabase(id);
      };
      return hold(deps, { clusterId, cloneOf: databaseId, purpose }, make, use);
    },
  };
}

type Wanted = { clusterId: ClusterId; cloneOf: DatabaseId | null; purpose: string };

async function hold<T>(
  deps: ScratchDeps,
  wanted: Wanted,
  make: (id: DatabaseId) => Promise<void>,
  use: Use<T>,
): Promise<T> {
  const { catalog, clusters, log } = deps;
  const { clusterId, cloneOf, purpose } = wanted;
  const { id, secrets } = await reserve(deps, wanted);
  const timer = setInterval(
    () =>
      void extendScratch(catalog, id, leaseMs).catch((err: unknown) =>
        log.warn({ err, database_id: id }, 'the lease of a scratch database could not be renewed'),
      ),
    renewEveryMs,
  );
  try {
    await clusters.of(clusterId).makeRoles(id, verifiersOf(deps.sealer, id, secrets), stockLimits);
    await make(id);
    log.info({ database_id: id, cluster_id: clusterId, clone_of: cloneOf, purpose }, 'scratch database made');
    return await use(id, clusterId);
  } finally {
    clearInterval(timer);
    await drop(deps, id, clusterId, purpose);
  }
}

type Reserved = { id: DatabaseId; secrets: Record<Login, string> };

async function reserve({ catalog, sealer }: ScratchDeps, { clusterId, cloneOf }: Wanted): Promise<Reserved> {
  const id = newId('database');
  const secrets = sealPasswords(sealer, id);
  await catalog.transaction().execute(async (tx) => {
    await reserveSlotOn(tx, clusterId);
    await insertScratch(tx, { id, clusterId, secrets, cloneOf }, leaseMs);
  });
  return { id, secrets };
}

function verifiersOf(sealer: Sealer, id: DatabaseId, secrets: Record<Login, string>): Record<Login, string> {
  const verifiers = logins.map((login) => [
    login,
    scramVerifier(sealer.open(secrets[login], secretContext(id, login))),
  ]);
  return Object.fromEntries(verifiers) as Record<Login, string>;
}

/** Never fails the caller: the row's lease ends, and orphan-databases does it. */
async function drop(
  { catalog, databases, wake, log }: ScratchDeps,
  id: DatabaseId,
  clusterId: ClusterId,
  purpose: string,
): Promise<void> {
  try {
    await databases.forget(id);
    const database = { id, cluster_id: clusterId };
    const operation = await catalog
      .transaction()
      .execute((tx) => startDropDatabase(tx, database, systemCaller('scratch'), purpose));
    await wake(operation.id, operation.lane);
  } catch (err) {
    log.warn({ err, database_id: id }, 'a scratch database is left to orphan-databases');
  }
}
