// Owns a whole control plane for tests, without HTTP and queue: a catalog, two private tenant clusters with the provisioning
// functions installed, the engine's deps, and a queue of ids in memory that a test works off when it wants to.
import { createHash } from 'node:crypto';
import path from 'node:path';
import { provisionerContext } from '../../catalog/clusters.ts';
import { type ClusterId, newId, type OperationId } from '../../catalog/ids.ts';
import { type Catalog, openCatalog } from '../../catalog/open-catalog.ts';
import { seedPlans } from '../../catalog/plans.ts';
import type { Lane } from '../../control-plane/migration-files/migration-file.ts';
import { readLane } from '../../control-plane/migration-files/read-folder.ts';
import { type ClusterConnections, connectClusters } from '../../control-plane/operations/cluster-connections.ts';
import type { EngineDeps } from '../../control-plane/operations/engine/engine-deps.ts';
import { type RunOutcome, runOperation } from '../../control-plane/operations/engine/run-operation.ts';
import { installCluster } from '../../control-plane/postgres/install-cluster.ts';
import { createLog, type Log } from '../../platform/log.ts';
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import { createSealer, type Sealer } from '../../platform/sealing.ts';
import { createCatalog } from './catalog.ts';
import { type PrivateCluster, startPrivateCluster } from './clusters.ts';

export type TestCluster = { id: ClusterId; name: string; server: PrivateCluster };

export type Installation = {
  catalog: Catalog;
  sealer: Sealer;
  log: Log;
  clusters: readonly [TestCluster, TestCluster];
  connections: ClusterConnections;
  /** The repository's own folders. */
  lanes: readonly Lane[];
  deps: EngineDeps;
  /** Operations that were woken and not run yet. */
  woken: Set<OperationId>;
  run(id: OperationId, deps?: Partial<EngineDeps>): Promise<RunOutcome>;
  /** Runs what is due until every operation is finished; waits out retries. */
  runAll(deps?: Partial<EngineDeps>): Promise<void>;
  close(): Promise<void>;
};

/** The same in every process of a test, so that a child opens what its parent has sealed. */
export function testSealer(): Sealer {
  const key = createHash('sha256').update('only in tests').digest();
  return createSealer({ keys: [{ id: 'test', key }], currentKeyId: 'test' });
}

export function testLog(): Log {
  return createLog({ name: 'test', level: (process.env.TEST_LOG_LEVEL as 'debug' | undefined) ?? 'silent' });
}

const root = path.resolve(import.meta.dirname, '../..');

export async function openEngine(address: PostgresAddress, holder: string) {
  const log = testLog();
  const sealer = testSealer();
  const catalog = openCatalog({ address, sessionsMax: 10, applicationName: 'freehold-test', log });
  const lanes = [
    await readLane('core', path.join(root, 'migrations/core')),
    await readLane('tenant', path.join(root, 'migrations/tenant')),
  ];
  const connections = connectClusters({ catalog: catalog.db, sealer, heads: async () => lanes, log });
  const deps = { catalog: catalog.db, ...connections, sealer, log, holder };
  return { catalog, connections, lanes, sealer, log, deps };
}

/** Both clusters in the region 'here', shared, with room for 50 databases. */
export async function createInstallation(): Promise<Installation> {
  const [scratch, a, b] = await Promise.all([createCatalog(), startPrivateCluster(), startPrivateCluster()]);
  const { catalog, connections, lanes, sealer, log, deps: engine } = await openEngine(scratch.address, 'test');
  await seedPlans(catalog.db);
  const clusters = [await register(catalog, sealer, a, 'one'), await register(catalog, sealer, b, 'two')] as const;
  const woken = new Set<OperationId>();
  const deps: EngineDeps = { ...engine, wake: async (id) => void woken.add(id) };
  const run: Installation['run'] = async (id, more = {}) => {
    woken.delete(id);
    return runOperation({ ...deps, ...more }, id);
  };
  return {
    catalog,
    sealer,
    log,
    clusters,
    connections,
    lanes,
    deps,
    woken,
    run,
    runAll: (more) => runUntilFinished(catalog, (id) => run(id, more)),
    close: async () => {
      await connections.close();
      await catalog.close();
      await Promise.all([scratch.drop(), a.remove(), b.remove()]);
    },
  };
}

async function runUntilFinished(catalog: Catalog, run: (id: OperationId) => Promise<RunOutcome>): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (performance.now() < deadlineMs) {
    const unfinished = await catalog.db
      .selectFrom('operations')
      .select('id')
      .where('state', 'in', ['pending', 'running', 'undoing'])
      .orderBy('next_attempt_at')
      .execute();
    if (unfinished.length === 0) return;
    for (const { id } of unfinished) await run(id);
  }
  throw new Error('operations do not end');
}

async function register(catalog: Catalog, sealer: Sealer, server: PrivateCluster, name: string): Promise<TestCluster> {
  const { address } = server;
  const mac = (text: string) => sealer.mac('installation', text);
  const installed = await installCluster({ address, mac, log: testLog() });
  const id = newId('cluster');
  await catalog.db
    .insertInto('clusters')
    .values({
      id,
      name,
      region: 'here',
      tier: 'shared',
      state: 'active',
      host: address.host,
      port: address.port,
      provisioner_sealed: sealer.seal(installed.provisionerPassword, provisionerContext(id)),
      server_version_num: installed.serverVersionNum,
      capabilities: JSON.stringify(installed.capabilities),
      capacity: 50,
      connection_budget: 100,
      warm_min: 0,
      warm_max: 8,
    })
    .execute();
  return { id, name, server };
}
