// A08: a whole journey at log level trace, with every statement logged by PostgreSQL, and then a search for every secret that was
// made or used in it, in everything that was written down. The search itself is tried first: it must find what is planted.
import fs from 'node:fs';
import path from 'node:path';
import { neon, neonConfig } from '@neondatabase/serverless';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { provisionerContext } from '../../catalog/clusters.ts';
import type { ClusterId, DatabaseId } from '../../catalog/ids.ts';
import { type Login, secretContext } from '../../catalog/names.ts';
import type { Client } from '../../control-plane/client.ts';
import { createSealer, parseSealingKeys } from '../../platform/sealing.ts';
import { createTestFolder } from '../support/clusters.ts';
import { openProcessHouse, type ProcessHouse, registerClusters, untilWarm } from '../support/process-house.ts';
import type { ServerProcess } from '../support/processes.ts';
import { redisAvailable, startRedis, type TestRedis } from '../support/redis.ts';
import type { ServerAddress } from '../support/server-address.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Given by mistake, in places where no secret belongs. */
const strays = {
  password: 'stray-password-Zq8vN2',
  connectionString: 'stray-connection-Hw3kT9',
  field: 'stray-field-Lm5xR7',
};

let house: ProcessHouse;
let redis: TestRedis | undefined;
let folder: string;
let servers: { first: ServerProcess; second: ServerProcess; runtime: ServerProcess };
let client: Client;
/** What is secret, by what it is. */
const secrets = new Map<string, string>();
/** What was written down, by where. */
const places = new Map<string, string>();
const errorBodies: string[] = [];

beforeAll(async () => {
  folder = createTestFolder();
  redis = redisAvailable() ? await startRedis() : undefined;
  house = await openProcessHouse({
    parameters: {
      log_statement: 'all',
      log_connections: 'on',
      log_disconnections: 'on',
      log_min_messages: 'debug1',
      log_error_verbosity: 'verbose',
    },
  });
  const level = { FREEHOLD_LOG_LEVEL: 'trace' };
  const first = await house.startControlPlane(level);
  // One catalog with two queues: nothing but a test does this, and it shows what each of them keeps.
  const second = await house.startControlPlane({
    ...level,
    ...(redis !== undefined && { FREEHOLD_QUEUE_URL: redis.url }),
  });
  const runtime = await house.startRuntime({
    ...level,
    FREEHOLD_RUNTIME_SNAPSHOT_FILE: path.join(folder, 'routes.snapshot'),
  });
  servers = { first, second, runtime };
  client = house.client(first);
}, 120_000);

afterAll(async () => {
  await house.close();
  await redis?.remove();
  fs.rmSync(folder, { recursive: true, force: true });
});

test('the journey: everything that handles a secret is used, also wrongly', async () => {
  await wrongRegistrations();
  await registerClusters(house, client);
  await untilWarm(client);
  const { key, id } = await client.apiKeys.create({ name: 'Operator of the sweep', role: 'operator' });
  secrets.set('API key of an operator', key);
  const other = house.client(servers.second, key);
  const { tenant } = await client.tenants.create(
    { slug: 'swept', name: 'Swept', region: 'eu', plan: 'team' },
    { waitSec: 30 },
  );
  await other.tenants.create({ slug: 'swept-too', name: 'Swept too', region: 'us', plan: 'team' }, { waitSec: 30 });
  const { token } = await other.tenants.mintToken(tenant.id, { scopes: ['sql', 'tenant:read'], subject: 'sweep' });
  secrets.set('runtime token', token);
  await useTheRuntime(token);
  await wrongRequests(key, token);
  await client.signingKeys.rotate();
  await other.tenants.suspend(tenant.id, { waitSec: 20 });
  await other.tenants.resume(tenant.id, { waitSec: 20 });
  await client.tenants.delete(tenant.id, { waitSec: 20 });
  // Opened before the purge forgets them.
  await openStoredSecrets();
  await client.tenants.purge(tenant.id, { waitSec: 20 });
  await client.apiKeys.revoke(id);
  // The other control plane hears of it in its own time.
  const refused = () =>
    other.me().then(
      () => false,
      () => true,
    );
  await waitUntil(refused, { what: 'the revoked key to be refused' });
  await keepError(() => other.me());
  expect((await client.fsck()).findings).toEqual([]);
}, 120_000);

test('A08 no secret in what was written down', async () => {
  secrets.set('owner key', house.ownerKey);
  secrets.set('sealing key', house.sealingKeys.split(':')[1] as string);
  secrets.set('password of the runtime', house.runtimePassword);
  secrets.set('superuser password', house.system.address.password);
  for (const [what, text] of Object.entries(strays)) secrets.set(`stray ${what}`, text);
  await collectPlaces();
  const kinds = [
    ...new Set(
      [...secrets.keys()].map((name) =>
        name.replace(/ of (dbs|cls)_.*/, '').replace(/ key-.*| [0-9A-Za-z_-]{20,}$/, ''),
      ),
    ),
  ];
  console.log(
    `A08 ${secrets.size} secrets (${kinds.join(', ')}) in ${[...places].map(([name, text]) => `${name} ${Math.ceil(text.length / 1024)} KiB`).join(', ')}`,
  );
  expect(secrets.size).toBeGreaterThan(20);
  for (const [name, text] of places) expect(text.length, name).toBeGreaterThan(0);
  // The search must be able to find: the journey really passed through each place.
  expect(places.get('output of the first control plane')).toContain('"level":"debug"');
  expect(places.get('log of PostgreSQL')).toContain('freehold.');
  expect(findSecrets(`x ${house.ownerKey} y`)).toEqual(['owner key']);
  const hits = [...places].flatMap(([place, text]) => findSecrets(text).map((secret) => `${secret} in ${place}`));
  expect(hits).toEqual([]);
}, 60_000);

test('A08 no SCRAM verifier in the output of a process or in the log of a tenant server', () => {
  const hits = [...places].filter(([place, text]) => place !== 'log of PostgreSQL' && /SCRAM-SHA-256\$\d+:/.test(text));
  expect(hits.map(([place]) => place)).toEqual([]);
  // The verifier of the runtime's own login is set by the operator's script, here and in `npm start`, not by Freehold.
  const inLog = (places.get('log of PostgreSQL') ?? '')
    .split('\n')
    .filter((line) => /SCRAM-SHA-256\$\d+:/.test(line) && !line.includes('freehold_runtime_login'));
  expect(inLog.map((line) => line.replace(/SCRAM-SHA-256\$[^'",)\s]*/g, 'SCRAM…').slice(0, 300))).toEqual([]);
});

async function wrongRegistrations(): Promise<void> {
  const server = house.tenantServers[0]?.server.address as ServerAddress;
  const url = `postgres://postgres:${strays.password}@${server.host}:${server.port}/postgres`;
  const rest = { name: 'wrong', region: 'eu', capacity: 1, connection_budget: 1 };
  await keepError(() => client.clusters.register({ ...rest, superuser: { url } }));
  await keepError(() => client.clusters.register({ ...rest, superuser: { url: `${url}?sslmode=${strays.field}` } }));
  await keepError(() => client.clusters.register({ ...rest, superuser: { ...server, password: strays.password } }));
  await keepError(() => client.clusters.register({ ...rest, superuser: { url }, pasword: strays.field } as never));
}

async function useTheRuntime(token: string): Promise<void> {
  neonConfig.fetchEndpoint = `${servers.runtime.url}/v1/sql`;
  neonConfig.disableWarningInBrowsers = true;
  // It sends this string in a header.
  const sql = neon(`postgres://nobody:${strays.connectionString}@elsewhere.example/nothing`, {
    authToken: () => token,
  });
  expect(await sql.query('select count(*)::int as n from projects')).toEqual([{ n: 0 }]);
  await keepError(() => sql.query('select * from nowhere'));
  await keepError(() => sql.query('select 1/0'));
  await keepError(() => sql.query('select rolpassword from pg_authid'));
}

/** Secrets where they do not belong: in queries, in paths, under other names. */
async function wrongRequests(key: string, token: string): Promise<void> {
  const bearer = (text: string) => ({ authorization: `Bearer ${text}` });
  const requests: [url: string, init: RequestInit][] = [
    [`${servers.first.url}/v1/tenants?api_key=${key}`, { headers: bearer(house.ownerKey) }],
    [`${servers.first.url}/v1/tenants/${key}`, { headers: bearer(house.ownerKey) }],
    [`${servers.first.url}/v1/${key}`, { headers: { 'x-api-key': key } }],
    [`${servers.first.url}/v1/tenants`, { headers: bearer(token) }],
    [`${servers.first.url}/v1/tenants`, { headers: bearer(`${key}x`) }],
    [
      `${servers.first.url}/v1/tenants`,
      {
        method: 'POST',
        headers: { ...bearer(house.ownerKey), 'content-type': 'application/json', 'idempotency-key': token },
        body: JSON.stringify({ slug: key, password: strays.field }),
      },
    ],
    [
      `${servers.first.url}/v1/tenants`,
      {
        method: 'POST',
        headers: { ...bearer(house.ownerKey), 'content-type': 'application/json' },
        body: `{"slug": "${key}", `,
      },
    ],
    [`${servers.runtime.url}/v1/tenant?token=${token}`, {}],
    [`${servers.runtime.url}/v1/${token}`, { headers: bearer(token) }],
    [`${servers.runtime.url}/v1/tenant`, { headers: bearer(key) }],
    [`${servers.runtime.url}/v1/tenant`, { headers: bearer(`${token}x`) }],
    [`${servers.runtime.url}/v1/sql`, { method: 'POST', headers: bearer(token), body: `{"query": "${token}"` }],
  ];
  for (const [url, init] of requests) {
    const answer = await fetch(url, init);
    expect(answer.status, url).toBeGreaterThanOrEqual(400);
    errorBodies.push(`${JSON.stringify([...answer.headers])}\n${await answer.text()}`);
  }
}

/** By the sealing key, as only a control plane and a runtime can. */
async function openStoredSecrets(): Promise<void> {
  const sealer = createSealer(parseSealingKeys(house.sealingKeys));
  const logins = await house.inCatalog<{ database_id: DatabaseId; login: Login; sealed: string }>(
    'select * from database_secrets',
  );
  for (const { database_id: id, login, sealed } of logins)
    secrets.set(`${login} password of ${id}`, sealer.open(sealed, secretContext(id, login)));
  const clusters = await house.inCatalog<{ id: ClusterId; provisioner_sealed: string }>(
    'select id, provisioner_sealed from clusters',
  );
  for (const { id, provisioner_sealed: sealed } of clusters)
    secrets.set(`provisioner password of ${id}`, sealer.open(sealed, provisionerContext(id)));
  const keys = await house.inCatalog<{ kid: string; private_sealed: string | null }>(
    'select kid, private_sealed from signing_keys',
  );
  for (const { kid, private_sealed: sealed } of keys) {
    if (sealed === null) continue;
    secrets.set(`signing key ${kid}`, (JSON.parse(sealer.open(sealed, `signing-key/${kid}`)) as { d: string }).d);
  }
}

async function collectPlaces(): Promise<void> {
  const pages = await Promise.all(
    Object.values(servers).map(async ({ metricsUrl }) => await (await fetch(metricsUrl)).text()),
  );
  places.set('metrics pages', pages.join('\n'));
  places.set(
    'command lines',
    house.processes.map(({ pid }) => fs.readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8')).join('\n'),
  );
  places.set('catalog tables', await everyRow(house.catalog));
  places.set('queue tables', await everyRow(house.queue));
  if (redis !== undefined) places.set('keys of Redis', await everyKey(redis));
  const activity = await Promise.all(
    [house.system, ...house.tenantServers.map(({ server }) => server)].map(({ address }) =>
      superuserSql(address, 'select * from pg_stat_activity'),
    ),
  );
  places.set('statements in pg_stat_activity', JSON.stringify(activity));
  await waitUntil(() => fs.existsSync(path.join(folder, 'routes.snapshot')), {
    what: 'the snapshot of the runtime',
    timeoutMs: 20_000,
  });
  places.set('snapshot of the runtime', fs.readFileSync(path.join(folder, 'routes.snapshot'), 'latin1'));
  for (const { stop } of [servers.runtime, servers.second, servers.first]) expect((await stop()).code).toBe(0);
  places.set('output of the first control plane', servers.first.output());
  places.set('output of the second control plane', servers.second.output());
  places.set('output of the runtime', servers.runtime.output());
  places.set('log of PostgreSQL', house.postgresLog());
  places.set('error bodies', errorBodies.join('\n'));
}

async function everyRow(address: ServerAddress): Promise<string> {
  const tables = await superuserSql<{ name: string }>(
    address,
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`,
  );
  const rows = await Promise.all(
    tables.map(async ({ name }) =>
      (await superuserSql<{ row: string }>(address, `select t::text as row from ${name} t`)).map(
        ({ row }) => `${name} ${row}`,
      ),
    ),
  );
  return rows.flat().join('\n');
}

async function everyKey({ url }: TestRedis): Promise<string> {
  const { Redis } = await import('ioredis');
  const connection = new Redis(url);
  const lines: string[] = [];
  for (const key of await connection.keys('*')) {
    const type = await connection.type(key);
    const value =
      type === 'string'
        ? await connection.get(key)
        : type === 'hash'
          ? await connection.hgetall(key)
          : type === 'list'
            ? await connection.lrange(key, 0, -1)
            : type === 'set'
              ? await connection.smembers(key)
              : type === 'zset'
                ? await connection.zrange(key, '0', '-1')
                : await connection.xrange(key, '-', '+');
    lines.push(`${key} ${JSON.stringify(value)}`);
  }
  connection.disconnect();
  return lines.join('\n');
}

/** As it is, and in the clothes a secret travels in: URL, base64, base64url, and the signature of a token alone. */
function findSecrets(text: string): string[] {
  return [...secrets].flatMap(([name, secret]) => {
    const base64 = Buffer.from(secret).toString('base64').replace(/=+$/, '');
    const forms = [secret, encodeURIComponent(secret), base64, base64.replaceAll('+', '-').replaceAll('/', '_')];
    if (secret.startsWith('eyJ')) forms.push(secret.split('.')[2] as string);
    if (secret.startsWith('fhk_')) forms.push(secret.slice(-43));
    return forms.some((form) => text.includes(form)) ? [name] : [];
  });
}

async function keepError(act: () => unknown): Promise<void> {
  try {
    await act();
  } catch (error) {
    const { message, ...rest } = error as Error & Record<string, unknown>;
    errorBodies.push(`${message} ${JSON.stringify(rest)}`);
    return;
  }
  expect.unreachable('an error was expected');
}
