// `npm run bench -- status [--databases 10000] [--rounds 30]`: what it costs to know the fleet and to find nothing to do. The catalog
// is filled with rows of databases that are nowhere, because none of the questions may ask one. status: GET /v1/fleet/status.
// no-op: the plan of a migration that everybody has. plan: of one that nobody has. bare: a session that counts the rows by version
// and cluster, no HTTP and no key: the least that an answer can cost. In each round all in turn; only ratios of one round count.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { newId } from '../../catalog/ids.ts';
import { type Catalog, openCatalog } from '../../catalog/open-catalog.ts';
import { listReleases, type ReleaseRow } from '../../catalog/releases.ts';
import { type Client, createClient } from '../../control-plane/client.ts';
import { startEmbeddedPostgres } from '../../platform/embedded-postgres.ts';
import { freePort } from '../../platform/free-port.ts';
import { createLog } from '../../platform/log.ts';
import { openSession } from '../../platform/postgres/session.ts';
import { prepareSystemDatabases } from '../dev/databases.ts';
import { startDevProcess, whenReady } from '../dev/processes.ts';
import { devSecrets } from '../dev/secrets.ts';
import { ratiosTable, timed, timesTable } from './provision/figures.ts';

const say = (line: string) => process.stdout.write(`${line}\n`);

export async function run(args: string[]): Promise<void> {
  const options = {
    databases: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '30' },
  } as const;
  const { values } = parseArgs({ args, options });
  const folder = mkdtempSync(path.join(os.tmpdir(), 'freehold-bench-'));
  chmodSync(folder, 0o711);
  const closers: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  try {
    await measure(folder, closers, Number(values.databases), Number(values.rounds));
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function measure(folder: string, closers: (() => unknown)[], databases: number, rounds: number): Promise<void> {
  const secrets = devSecrets(folder);
  const server = await startEmbeddedPostgres({
    dataDir: path.join(folder, 'system'),
    port: await freePort(),
    superuserPassword: secrets.superuserPassword,
    log: () => {},
  });
  closers.push(() => server.stop('immediate'));
  const urls = await prepareSystemDatabases(server.address, secrets.runtimePassword);
  const port = await freePort();
  const env = {
    FREEHOLD_CATALOG_URL: urls.catalog,
    FREEHOLD_QUEUE_URL: urls.queue,
    FREEHOLD_SEALING_KEYS: secrets.sealingKeys,
    FREEHOLD_BOOTSTRAP_OWNER_KEY: secrets.ownerKey,
    FREEHOLD_LOG_LEVEL: 'warn',
    FREEHOLD_ROLES: 'api',
    FREEHOLD_PORT: String(port),
    FREEHOLD_METRICS_PORT: '0',
  };
  const api = startDevProcess('api', path.resolve(import.meta.dirname, '../../control-plane/main.ts'), env, say);
  closers.push(() => api.stop());
  await whenReady(`http://127.0.0.1:${port}/readyz`, api);
  const address = { ...server.address, database: 'freehold_catalog' };
  const log = createLog({ name: 'bench', level: 'silent' });
  const catalog = openCatalog({ address, sessionsMax: 1, applicationName: 'freehold-bench', log });
  closers.push(() => catalog.close());
  say(`filling a catalog with ${databases} databases on four clusters …`);
  const head = (await listReleases(catalog.db, 'tenant'))[0] as ReleaseRow;
  await fill(catalog, databases, head);

  const client = createClient({ baseUrl: `http://127.0.0.1:${port}`, apiKey: secrets.ownerKey });
  const bare = await openSession(address, { applicationName: 'freehold-bench' });
  closers.push(() => bare.close());
  const acts = {
    status: () => client.fleet.status(),
    'no-op': () => client.rollouts.plan({ kind: 'migrate', lane: 'tenant', release: 'latest' }),
    plan: () => client.rollouts.plan({ kind: 'migrate', lane: 'core', release: 'latest' }),
    bare: () => bare.query(bareSql),
  };
  await proveAnswers(client, databases);
  const times = { status: [], 'no-op': [], plan: [], bare: [] } as Record<keyof typeof acts, number[]>;
  for (let round = 0; round < rounds; round++)
    for (const [name, act] of Object.entries(acts))
      times[name as keyof typeof acts].push((await timed<unknown>(act)).ms);
  say(`\n${timesTable(Object.entries(times))}`);
  const over = (['status', 'no-op', 'plan'] as const).map(
    (name) => [`${name} over bare`, times[name], times.bare] as const,
  );
  say(`\n${ratiosTable(over)}`);
}

const bareSql = `select d.lanes -> 'tenant' ->> 'hash', c.name, count(*) from databases d join clusters c on c.id = d.cluster_id
  where d.state in ('claimed', 'warm') group by 1, 2`;

/** A figure for an answer that is not the one that was meant would say nothing. */
async function proveAnswers({ fleet, rollouts }: Client, databases: number): Promise<void> {
  const { lanes } = await fleet.status();
  const noop = await rollouts.plan({ kind: 'migrate', lane: 'tenant', release: 'latest' });
  const plan = await rollouts.plan({ kind: 'migrate', lane: 'core', release: 'latest' });
  const told = [lanes.find(({ lane }) => lane === 'tenant')?.tenants, noop.already_there, plan.databases];
  if (told.some((count) => count !== databases) || noop.databases !== 0)
    throw new Error(`odd answers: ${told.join(', ')}`);
}

/** At the head of the lane tenant, and with nothing of the lane core. */
async function fill({ db }: Catalog, count: number, { version, hash }: ReleaseRow): Promise<void> {
  const clusters = Array.from({ length: 4 }, (_, i) => ({ id: newId('cluster'), name: `bench-${i}` }));
  await db
    .insertInto('clusters')
    .values(
      clusters.map((cluster) => ({
        ...cluster,
        ...({ region: 'eu', tier: 'shared', state: 'active', host: cluster.name, port: 5432 } as const),
        ...{ provisioner_sealed: 'x', server_version_num: 180_004, capabilities: '{}' },
        ...{ capacity: count, connection_budget: 100 },
      })),
    )
    .execute();
  const lanes = JSON.stringify({ tenant: { version, hash } });
  for (let at = 0; at < count; at += chunk) {
    const tenants = Array.from({ length: Math.min(chunk, count - at) }, (_, i) => ({
      id: newId('tenant'),
      slug: `bench-${at + i}`,
    }));
    await db
      .insertInto('tenants')
      .values(
        tenants.map((tenant) => ({
          ...tenant,
          ...({ name: tenant.slug, region: 'eu', tier: 'shared', plan_id: 'team', state: 'active' } as const),
          ...{ deleted_from: null, labels: '{}' },
        })),
      )
      .execute();
    await db
      .insertInto('databases')
      .values(
        tenants.map(({ id }, i) => ({
          ...({ id: newId('database'), state: 'claimed', tenant_id: id, lanes } as const),
          cluster_id: (clusters[i % clusters.length] as { id: ReturnType<typeof newId<'cluster'>> }).id,
        })),
      )
      .execute();
  }
}

/** Rows of one INSERT: a statement has at most 65,535 parameters. */
const chunk = 2_000;
