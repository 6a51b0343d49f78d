// `npm start`: everything on this machine from nothing. PostgreSQL (three servers), catalog, queue, control plane, runtime,
// two registered clusters in two regions, warm databases. Data stays in ./data (FREEHOLD_DATA_DIR); Ctrl-C stops all of it in order.
import fs from 'node:fs';
import path from 'node:path';
import { createClient } from '../control-plane/client.ts';
import { reachableDataDir } from '../platform/embedded-postgres/account.ts';
import { createLifecycle } from '../platform/lifecycle.ts';
import { createLog } from '../platform/log.ts';
import { startDevClusters } from './dev/clusters.ts';
import { prepareSystemDatabases } from './dev/databases.ts';
import { untilPortsAreFree } from './dev/ports.ts';
import { type DevProcess, startDevProcess, whenReady } from './dev/processes.ts';
import { registerDevClusters, waitForWarmStock } from './dev/registration.ts';
import { devSecrets } from './dev/secrets.ts';
import { summary } from './dev/summary.ts';

/** Two processes of 20 s at most and the last checkpoint of three servers, on a slow disk. */
const stopMaxMs = 100_000;

const root = path.resolve(import.meta.dirname, '..');
const wantedDataDir = process.env.FREEHOLD_DATA_DIR;
const dataDir = wantedDataDir ? path.resolve(wantedDataDir) : reachableDataDir(path.join(root, 'data'));
/** What the command line reads when it is told no URL and no key; in the clone, wherever the data is. */
const profileFile = process.env.FREEHOLD_PROFILE || path.join(root, 'data/profile.json');
const apiPort = process.env.FREEHOLD_PORT ?? '7700';
const runtimePort = process.env.FREEHOLD_RUNTIME_PORT ?? '7710';
const logLevel = process.env.FREEHOLD_LOG_LEVEL ?? 'warn';

const say = (line: string) => process.stdout.write(`${line}\n`);
const lifecycle = createLifecycle({ log: createLog({ name: 'dev', level: 'error' }), graceMs: stopMaxMs });

async function start(): Promise<void> {
  fs.mkdirSync(dataDir, { recursive: true, mode: 0o755 });
  const secrets = devSecrets(dataDir);
  await untilPortsAreFree({ FREEHOLD_PORT: apiPort, FREEHOLD_RUNTIME_PORT: runtimePort }, say);
  say('Starting three PostgreSQL servers (system, eu, us) …');
  const clusters = await lifecycle.add(
    'PostgreSQL servers',
    () => startDevClusters(dataDir, secrets.superuserPassword),
    ({ system, eu, us }) => Promise.all([system.stop(), eu.stop(), us.stop()]),
  );
  const urls = await prepareSystemDatabases(clusters.system.address, secrets.runtimePassword);

  say('Starting the control plane and the tenant runtime …');
  const shared = { FREEHOLD_SEALING_KEYS: secrets.sealingKeys, FREEHOLD_LOG_LEVEL: logLevel };
  const apiUrl = `http://127.0.0.1:${apiPort}`;
  await startServer('control-plane', apiUrl, {
    ...shared,
    FREEHOLD_CATALOG_URL: urls.catalog,
    FREEHOLD_QUEUE_URL: process.env.FREEHOLD_QUEUE_URL ?? urls.queue,
    FREEHOLD_BOOTSTRAP_OWNER_KEY: secrets.ownerKey,
    FREEHOLD_PORT: apiPort,
    FREEHOLD_METRICS_PORT: '0',
    ...passedOn(
      'FREEHOLD_TENANT_MIGRATIONS',
      'FREEHOLD_MIGRATIONS_TABLE',
      'FREEHOLD_DELETE_GRACE_SEC',
      'FREEHOLD_HOST',
    ),
  });
  const runtimeUrl = `http://127.0.0.1:${runtimePort}`;
  await startServer('tenant-runtime', runtimeUrl, {
    ...shared,
    FREEHOLD_RUNTIME_CATALOG_URL: urls.runtimeCatalog,
    FREEHOLD_RUNTIME_PORT: runtimePort,
    FREEHOLD_RUNTIME_METRICS_PORT: '0',
    FREEHOLD_RUNTIME_SNAPSHOT_FILE: path.join(dataDir, 'routes.snapshot'),
  });

  const client = createClient({ baseUrl: apiUrl, apiKey: secrets.ownerKey });
  await registerDevClusters(client, clusters);
  say('Filling the stock of warm databases …');
  await waitForWarmStock(client);
  writeProfile(apiUrl, runtimeUrl, secrets.ownerKey);
  say(summary({ apiUrl, runtimeUrl, dataDir, profile: path.relative(process.cwd(), profileFile) }));
}

/** Ready when it resolves. When it ends before we do, so does everything. */
async function startServer(name: string, url: string, env: Record<string, string>): Promise<void> {
  let server: DevProcess | undefined;
  await lifecycle.add(
    name,
    () => {
      server = startDevProcess(name, path.join(root, name, 'main.ts'), env, say);
      return server;
    },
    (it) => it.stop(),
  );
  if (server === undefined) return;
  await whenReady(`${url}/readyz`, server, lifecycle.stopping);
  void server.exited.then((code) => lifecycle.stop(`${name} ended with code ${code}`, 1));
}

function writeProfile(url: string, runtimeUrl: string, apiKey: string): void {
  const text = `${JSON.stringify({ url, runtime_url: runtimeUrl, api_key: apiKey }, null, 2)}\n`;
  fs.mkdirSync(path.dirname(profileFile), { recursive: true });
  fs.writeFileSync(profileFile, text, { mode: 0o600 });
}

function passedOn(...names: string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

lifecycle.stopping.addEventListener('abort', () => say(`\n${lifecycle.stopping.reason.message}: stopping …`));
process.once('SIGHUP', () => void lifecycle.stop('SIGHUP'));
await lifecycle.run(async () => {
  try {
    await start();
  } catch (error) {
    // What goes wrong here is said in a sentence: a port, a folder, a server that ended and has said why.
    if (!lifecycle.stopping.aborted) say(error instanceof Error ? error.message : String(error));
    await lifecycle.stop('failed start', 1);
  }
});
