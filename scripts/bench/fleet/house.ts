// Owns the installation that the fleet bench measures: a server for catalog and queue, one for the tenants, fsync as PostgreSQL has
// it; the API and the workers are processes of their own, as in production. Tenants are made by the product's own API.
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type Catalog, openCatalog } from '../../../catalog/open-catalog.ts';
import type { RolloutPolicy } from '../../../catalog/rollout-policy.ts';
import { type Client, createClient } from '../../../control-plane/client.ts';
import { freePort } from '../../../platform/free-port.ts';
import { createLog } from '../../../platform/log.ts';
import type { PostgresAddress } from '../../../platform/postgres/address.ts';
import { startDevClusters } from '../../dev/clusters.ts';
import { prepareSystemDatabases } from '../../dev/databases.ts';
import { startDevProcess, whenReady } from '../../dev/processes.ts';
import { devSecrets } from '../../dev/secrets.ts';
import { eachAtOnce } from './each-at-once.ts';

export type FleetHouse = {
  readonly client: Client;
  readonly catalog: Catalog;
  /** The tenant server, as its superuser. */
  readonly server: PostgresAddress;
  /** Names of the tenants' databases, in PostgreSQL. */
  readonly databases: readonly string[];
  /** For files: empty at the beginning, removed at the end. */
  readonly folder: string;
  /** The product's lane: the sample product, and what a round adds. */
  readonly lane: string;
  readonly policy: RolloutPolicy;
  close(): Promise<void>;
};

export const region = 'eu';
const root = path.resolve(import.meta.dirname, '../../..');

export type FleetHouseOptions = {
  databases: number;
  warmMax: number;
  policy: RolloutPolicy;
  say: (line: string) => void;
};

export async function openFleetHouse(options: FleetHouseOptions): Promise<FleetHouse> {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const act of closers.reverse()) await act().catch((error: unknown) => options.say(String(error)));
  };
  try {
    return { ...(await build(options, closers)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function build({ databases, warmMax, policy, say }: FleetHouseOptions, closers: (() => Promise<unknown>)[]) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'freehold-bench-'));
  chmodSync(folder, 0o711);
  closers.push(async () => rmSync(folder, { recursive: true, force: true }));
  const secrets = devSecrets(folder);
  const servers = await startDevClusters(folder, secrets.superuserPassword);
  closers.push(() => Promise.all(Object.values(servers).map((server) => server.stop('immediate'))));
  const urls = await prepareSystemDatabases(servers.system.address, secrets.runtimePassword);
  const queueUrl = process.env.FREEHOLD_QUEUE_URL ?? urls.queue;
  const start = async (roles: string): Promise<string> => {
    const port = await freePort();
    const child = startDevProcess(
      roles,
      path.join(root, 'control-plane/main.ts'),
      {
        FREEHOLD_CATALOG_URL: urls.catalog,
        FREEHOLD_QUEUE_URL: queueUrl,
        FREEHOLD_SEALING_KEYS: secrets.sealingKeys,
        FREEHOLD_BOOTSTRAP_OWNER_KEY: secrets.ownerKey,
        FREEHOLD_LOG_LEVEL: 'warn',
        FREEHOLD_ROLES: roles,
        FREEHOLD_PORT: String(port),
        FREEHOLD_METRICS_PORT: String(roles.includes('api') ? 0 : port),
      },
      say,
    );
    closers.push(() => child.stop());
    await whenReady(`http://127.0.0.1:${port}/${roles.includes('api') ? 'readyz' : 'metrics'}`, child);
    return `http://127.0.0.1:${port}`;
  };
  const client = createClient({ baseUrl: await start('api,reconcilers'), apiKey: secrets.ownerKey });
  await start('worker');
  await client.clusters.register({
    name: `bench-${region}`,
    region,
    tier: 'shared',
    superuser: { ...servers[region].address },
    capacity: 100_000,
    connection_budget: 90,
    warm_min: 0,
    warm_max: warmMax,
  });
  const catalog = openCatalog({
    address: { ...servers.system.address, database: 'freehold_catalog' },
    sessionsMax: 4,
    applicationName: 'freehold-bench',
    log: createLog({ name: 'bench', level: 'silent' }),
  });
  closers.push(() => catalog.close());
  say(`making ${databases} tenants …`);
  await makeTenants(client, databases);
  const rows = await catalog.db.selectFrom('databases').select('name').where('state', '=', 'claimed').execute();
  const lane = path.join(folder, 'lane');
  mkdirSync(lane);
  cpSync(path.join(root, 'migrations/tenant'), lane, { recursive: true });
  const { address } = servers[region];
  return { client, catalog, server: address, databases: rows.map((row) => row.name), folder, lane, policy };
}

function makeTenants(client: Client, count: number): Promise<void> {
  const slugs = Array.from({ length: count }, (_, i) => `bench-${String(i).padStart(5, '0')}`);
  return eachAtOnce(slugs, 6, async (slug) => {
    const made = await client.tenants.create({ slug, name: slug, region, plan: 'team' }, { waitSec: 60 });
    if (!made.done) throw new Error(`${slug} was not ready in time`);
  });
}
