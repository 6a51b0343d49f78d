// Owns a whole Freehold of real processes for tests: a server for catalog and queue, one tenant server in each region, keys
// and logins as an operator would make them. Nothing is registered yet and no process runs.
import { randomBytes } from 'node:crypto';
import { newApiKeyText } from '../../catalog/api-key-text.ts';
import { type Client, createClient } from '../../control-plane/client.ts';
import { tenantHba } from '../../control-plane/postgres/tenant-hba.ts';
import { prepareSystemDatabases } from '../../scripts/dev/databases.ts';
import { type PrivateCluster, startPrivateCluster } from './clusters.ts';
import {
  type Environment,
  type ServerProcess,
  startControlPlaneProcess,
  startRuntimeProcess,
  type TestProcess,
  untilReady,
} from './processes.ts';
import type { ServerAddress } from './server-address.ts';
import { superuserSql } from './superuser-sql.ts';
import { waitUntil } from './wait-until.ts';

export type ProcessHouse = {
  readonly system: PrivateCluster;
  readonly tenantServers: readonly { region: string; server: PrivateCluster }[];
  readonly ownerKey: string;
  readonly sealingKeys: string;
  readonly runtimePassword: string;
  /** Every process that was started, ended ones too. */
  readonly processes: readonly TestProcess[];
  /** What the PostgreSQL servers have written. */
  readonly postgresLog: () => string;
  /** The superuser's ways in. */
  readonly catalog: ServerAddress;
  readonly queue: ServerAddress;
  /** What a control plane and a runtime of this house are configured with. */
  readonly controlPlaneEnv: Environment;
  readonly runtimeEnv: Environment;
  /** Ready when it resolves. */
  startControlPlane(env?: Environment): Promise<ServerProcess>;
  startRuntime(env?: Environment): Promise<ServerProcess>;
  client(server: { url: string }, apiKey?: string): Client;
  inCatalog<R = Record<string, unknown>>(sql: string, params?: unknown[]): Promise<R[]>;
  close(): Promise<void>;
};

export type HouseOptions = {
  regions?: readonly string[];
  /** postgres:// in a database of the house unless told. */
  queueUrl?: string;
  /** For every PostgreSQL server of the house. */
  parameters?: Record<string, string>;
};

export async function openProcessHouse({
  regions = ['eu', 'us'],
  queueUrl,
  parameters = {},
}: HouseOptions = {}): Promise<ProcessHouse> {
  const lines: string[] = [];
  const server = (hba?: string) =>
    startPrivateCluster({ parameters, log: (line) => void lines.push(line), ...(hba !== undefined && { hba }) });
  // As in `npm start`: a login of a tenant gets to no database but its own, also by pg_hba.
  const [system, ...tenants] = await Promise.all([
    server(),
    ...regions.map(() => server(tenantHba({ networks: ['127.0.0.1/32'] }))),
  ]);
  const runtimePassword = randomBytes(24).toString('base64url');
  const urls = await prepareSystemDatabases(system.address, runtimePassword);
  const sealingKeys = `test1:${randomBytes(32).toString('base64')}`;
  const ownerKey = newApiKeyText().text;
  const catalog = { ...system.address, database: 'freehold_catalog' };
  const controlPlaneEnv = {
    FREEHOLD_CATALOG_URL: urls.catalog,
    FREEHOLD_QUEUE_URL: queueUrl ?? urls.queue,
    FREEHOLD_SEALING_KEYS: sealingKeys,
    FREEHOLD_BOOTSTRAP_OWNER_KEY: ownerKey,
  };
  const runtimeEnv = { FREEHOLD_RUNTIME_CATALOG_URL: urls.runtimeCatalog, FREEHOLD_SEALING_KEYS: sealingKeys };
  const processes: TestProcess[] = [];
  const ready = async (starting: Promise<ServerProcess>, env: Environment): Promise<ServerProcess> => {
    const process = await starting;
    processes.push(process);
    const hasApi = env.FREEHOLD_ROLES?.includes('api') !== false;
    await untilReady(process, undefined, hasApi ? undefined : process.metricsUrl);
    return process;
  };
  return {
    system,
    tenantServers: tenants.map((each, i) => ({ region: regions[i] as string, server: each })),
    ownerKey,
    sealingKeys,
    runtimePassword,
    processes,
    postgresLog: () => lines.join('\n'),
    catalog,
    queue: { ...system.address, database: 'freehold_queue' },
    controlPlaneEnv,
    runtimeEnv,
    startControlPlane: (env = {}) => ready(startControlPlaneProcess({ ...controlPlaneEnv, ...env }), env),
    startRuntime: (env = {}) => ready(startRuntimeProcess({ ...runtimeEnv, ...env }), env),
    client: ({ url }, apiKey = ownerKey) => createClient({ baseUrl: url, apiKey }),
    inCatalog: (sql, params) => superuserSql(catalog, sql, params),
    async close() {
      await Promise.all(processes.map((process) => process.kill()));
      await Promise.all([system, ...tenants].map((each) => each.remove()));
    },
  };
}

export type Stock = { capacity?: number; warm_min?: number; warm_max?: number; connection_budget?: number };

/** One cluster `local-<region>` for each tenant server. */
export async function registerClusters(house: ProcessHouse, client: Client, stock: Stock = {}): Promise<void> {
  for (const { region, server } of house.tenantServers) {
    await client.clusters.register({
      name: `local-${region}`,
      region,
      superuser: { ...server.address },
      capacity: 100,
      connection_budget: 100,
      warm_min: 1,
      warm_max: 2,
      ...stock,
    });
  }
}

export async function untilWarm(client: Client, count = 1, timeoutMs = 60_000): Promise<void> {
  const full = async () =>
    (await Array.fromAsync(client.clusters.list())).every((cluster) => cluster.databases_warm >= count);
  await waitUntil(full, { what: `${count} warm databases on each cluster`, timeoutMs, intervalMs: 100 });
}
