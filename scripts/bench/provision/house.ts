// Owns the installation that the provisioning bench measures: three embedded servers with fsync as PostgreSQL has it, control
// plane and runtime as processes of their own, as `npm start` runs them. The cluster in 'eu' gets a stock that is filled before
// anything is measured; the one in 'us' may hold none, so that every create there is a cold one.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { ClusterId } from '../../../catalog/ids.ts';
import { type Client, createClient } from '../../../control-plane/client.ts';
import type { Lane } from '../../../control-plane/migration-files/migration-file.ts';
import { readLane } from '../../../control-plane/migration-files/read-folder.ts';
import { freePort } from '../../../platform/free-port.ts';
import type { PostgresAddress } from '../../../platform/postgres/address.ts';
import { openSession, type Session } from '../../../platform/postgres/session.ts';
import { createSealer, parseSealingKeys, type Sealer } from '../../../platform/sealing.ts';
import { startDevClusters } from '../../dev/clusters.ts';
import { prepareSystemDatabases } from '../../dev/databases.ts';
import { startDevProcess, whenReady } from '../../dev/processes.ts';
import { devSecrets } from '../../dev/secrets.ts';

export type BenchCluster = { id: ClusterId; region: string; address: PostgresAddress; superuser: Session };

export type House = {
  readonly client: Client;
  readonly runtimeUrl: string;
  /** As the catalog's owner. */
  readonly catalog: Session;
  readonly warm: BenchCluster;
  readonly cold: BenchCluster;
  readonly sealer: Sealer;
  readonly lanes: readonly Lane[];
  close(): Promise<void>;
};

const root = path.resolve(import.meta.dirname, '../../..');
/** Some builds a second; a busy machine builds one. */
const stockWaitMs = 600_000;

/** @param stock warm databases that are ready when this resolves; none is built afterwards */
export async function openHouse(stock: number, say: (line: string) => void): Promise<House> {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const act of closers.reverse()) await act().catch((error: unknown) => say(String(error)));
  };
  try {
    return { ...(await build(stock, say, closers)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function build(
  stock: number,
  say: (line: string) => void,
  closers: (() => Promise<unknown>)[],
): Promise<Omit<House, 'close'>> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'freehold-bench-'));
  chmodSync(folder, 0o711);
  closers.push(async () => rmSync(folder, { recursive: true, force: true }));
  const secrets = devSecrets(folder);
  const servers = await startDevClusters(folder, secrets.superuserPassword);
  closers.push(() => Promise.all(Object.values(servers).map((server) => server.stop('immediate'))));
  const urls = await prepareSystemDatabases(servers.system.address, secrets.runtimePassword);
  const shared = { FREEHOLD_SEALING_KEYS: secrets.sealingKeys, FREEHOLD_LOG_LEVEL: 'warn' };
  const [apiPort, runtimePort] = [await freePort(), await freePort()];
  const apiUrl = `http://127.0.0.1:${apiPort}`;
  const runtimeUrl = `http://127.0.0.1:${runtimePort}`;
  const start = async (name: string, url: string, env: Record<string, string>) => {
    const child = startDevProcess(name, path.join(root, name, 'main.ts'), { ...shared, ...env }, say);
    closers.push(() => child.stop());
    await whenReady(`${url}/readyz`, child, new AbortController().signal);
  };
  await start('control-plane', apiUrl, {
    FREEHOLD_CATALOG_URL: urls.catalog,
    FREEHOLD_QUEUE_URL: process.env.FREEHOLD_QUEUE_URL ?? urls.queue,
    FREEHOLD_BOOTSTRAP_OWNER_KEY: secrets.ownerKey,
    FREEHOLD_PORT: String(apiPort),
    FREEHOLD_METRICS_PORT: '0',
  });
  await start('tenant-runtime', runtimeUrl, {
    FREEHOLD_RUNTIME_CATALOG_URL: urls.runtimeCatalog,
    FREEHOLD_RUNTIME_PORT: String(runtimePort),
    FREEHOLD_RUNTIME_METRICS_PORT: '0',
    FREEHOLD_RUNTIME_SNAPSHOT_FILE: path.join(folder, 'routes.snapshot'),
  });

  const open = async (address: PostgresAddress) => {
    const session = await openSession(address, { applicationName: 'freehold-bench' });
    closers.push(() => session.close());
    return session;
  };
  const client = createClient({ baseUrl: apiUrl, apiKey: secrets.ownerKey });
  const register = async (region: 'eu' | 'us', warmMax: number): Promise<BenchCluster> => {
    const { address } = servers[region];
    const registered = await client.clusters.register({
      name: `bench-${region}`,
      region,
      tier: 'shared',
      superuser: { ...address },
      capacity: 100_000,
      connection_budget: 200,
      warm_min: warmMax,
      warm_max: warmMax,
    });
    return { id: registered.id as ClusterId, region, address, superuser: await open(address) };
  };
  const warm = await register('eu', stock);
  const cold = await register('us', 0);
  await fillStock(client, warm.id, stock, say);
  return {
    client,
    runtimeUrl,
    catalog: await open({ ...servers.system.address, database: 'freehold_catalog' }),
    warm,
    cold,
    sealer: createSealer(parseSealingKeys(secrets.sealingKeys)),
    lanes: [
      await readLane('core', path.join(root, 'migrations/core')),
      await readLane('tenant', path.join(root, 'migrations/tenant')),
    ],
  };
}

async function fillStock(client: Client, id: ClusterId, stock: number, say: (line: string) => void): Promise<void> {
  say(`filling the stock with ${stock} warm databases …`);
  const until = performance.now() + stockWaitMs;
  for (;;) {
    const cluster = await client.clusters.get(id);
    if (cluster.databases_warm >= stock) {
      await client.clusters.update(id, { warm_min: 0 }, { version: cluster.version });
      return;
    }
    if (performance.now() > until) throw new Error(`the stock holds ${cluster.databases_warm} after ten minutes`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
