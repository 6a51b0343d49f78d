// The runtime when something else fails: a cluster restarts, the catalog is away, a client leaves, a session is left dirty.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSealer } from '../../platform/sealing.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { testSealer } from '../support/installation.ts';
import {
  call,
  createRuntimeFixture,
  type RunningRuntime,
  type RuntimeFixture,
  type TestTenant,
} from '../support/runtime.ts';
import { expectNoUncaughtErrors } from '../support/session-fixtures.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

expectNoUncaughtErrors();

let fixture: RuntimeFixture;
let runtime: RunningRuntime;
let tenant: TestTenant;
let token: string;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-runtime-'));

beforeAll(async () => {
  fixture = await createRuntimeFixture();
  tenant = await fixture.addTenant();
  token = await fixture.token(tenant.id);
  runtime = await fixture.startRuntime();
}, 60_000);
afterAll(async () => {
  await fixture.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

const sql = (
  query: string,
  params: unknown[] = [],
  options: { signal?: AbortSignal; token?: string; url?: string } = {},
) =>
  call(options.url ?? runtime.url, options.token ?? token, {
    body: { query, params },
    ...(options.signal && { signal: options.signal }),
  });
const activeIn = async (address: TestTenant['address']) =>
  (
    await superuserSql(
      { ...address, database: 'postgres' },
      `select pid from pg_stat_activity where datname = $1 and state = 'active'`,
      [address.database],
    )
  ).length;

test('S02 a client that leaves during a statement frees its session within a second, and the statement ends', async () => {
  const leaving = new AbortController();
  const request = sql('select pg_sleep(20)', [], { signal: leaving.signal }).catch(() => 'left');
  await waitUntil(async () => (await activeIn(tenant.address)) === 1, { what: 'the statement to run' });
  const startedMs = performance.now();
  leaving.abort();
  expect(await request).toBe('left');
  await waitUntil(() => runtime.pools.stats().leased === 0, { what: 'the slot to be free' });
  await waitUntil(async () => (await activeIn(tenant.address)) === 0, { what: 'the statement to end' });
  expect(performance.now() - startedMs).toBeLessThan(1_500);
});

test('M11 a migration changes a table under prepared statements: no request fails, all see the new column', async () => {
  const owner = `set role ${tenant.address.database}_own; `;
  await superuserSql(
    tenant.address,
    `${owner}create table public.shifting (a int); insert into public.shifting values (1)`,
  );
  const ask = async () =>
    (await sql('select * from shifting where a = $1', ['1'])) as { status: number; body: { rows?: unknown } };
  for (let i = 0; i < 4; i++) expect((await ask()).status).toBe(200);
  await superuserSql(tenant.address, `${owner}alter table public.shifting add column b text default 'new'`);
  const after = [await ask(), await ask(), await ask()];
  expect(after.map((each) => [each.status, each.body.rows])).toEqual(after.map(() => [200, [{ a: 1, b: 'new' }]]));
  const batch = { queries: [1, 2, 3].map(() => ({ query: 'select * from shifting where a = $1', params: ['1'] })) };
  expect((await call(runtime.url, token, { body: batch })).status).toBe(200);
  await superuserSql(tenant.address, `${owner}alter table public.shifting drop column b`);
  expect((await call(runtime.url, token, { body: batch })).status).toBe(200);
});

test('S02 a client that leaves during a batch leaves nothing of it', async () => {
  const leaving = new AbortController();
  const body = { queries: [{ query: `insert into canary values ('x', 'left')` }, { query: 'select pg_sleep(20)' }] };
  const request = call(runtime.url, token, { body, signal: leaving.signal }).catch(() => 'left');
  await waitUntil(async () => (await activeIn(tenant.address)) === 1, { what: 'the statement to run' });
  leaving.abort();
  expect(await request).toBe('left');
  await waitUntil(async () => (await activeIn(tenant.address)) === 0, { what: 'the statement to end' });
  expect((await sql(`select count(*)::int as n from canary where note = 'left'`)).body.rows).toEqual([{ n: 0 }]);
});

test('S01 nothing that a request leaves in its session reaches the next one', async () => {
  const left = [
    `set application_name = 'left'`,
    `set search_path = pg_catalog`,
    `select set_config('app.user', 'left', false)`,
    'prepare left_plan as select 1',
    'listen left_channel',
    `declare left_cursor cursor with hold for select 1`,
    'set role none',
    `set statement_timeout = 0`,
    `set default_transaction_read_only = on`,
    'begin',
    'start transaction',
  ];
  for (const query of left) {
    await sql(query);
    const { body } =
      await sql(`select current_setting('application_name') like 'freehold-runtime%' as name, current_setting('search_path') as path,
      coalesce(current_setting('app.user', true), '') as who, (select count(*)::int from pg_cursors where name <> '') as cursors,
      (select count(*)::int from pg_listening_channels()) as channels, (select count(*)::int from pg_prepared_statements where from_sql) as plans,
      current_setting('statement_timeout') <> '0' as bounded, current_setting('transaction_read_only') as ro`);
    expect(body.rows, query).toEqual([
      { name: true, path: 'public, pg_temp', who: '', cursors: 0, channels: 0, plans: 0, bounded: true, ro: 'off' },
    ]);
  }
  expect((await sql('begin')).body).toMatchObject({ status: 400, code: 'transaction_control' });
  const ended = await call(runtime.url, token, { body: { queries: [{ query: 'commit' }, { query: 'select 1' }] } });
  expect(ended.body).toMatchObject({ status: 400, code: 'transaction_control', message: expect.any(String) as string });
});

test('D12 a tenant can keep no listener and no open transaction, so what it notifies does not stay in the queue of the server', async () => {
  await sql('listen flood');
  await call(runtime.url, token, { body: { queries: [{ query: 'listen flood' }, { query: 'listen more' }] } });
  const notify = { query: `notify flood, '${'x'.repeat(7_000)}'`, params: [] };
  for (let round = 0; round < 10; round++) {
    const floods = await Promise.all(Array.from({ length: 20 }, () => call(runtime.url, token, { body: notify })));
    expect(new Set(floods.map(({ status }) => status))).toEqual(new Set([200]));
  }
  const [queue] = await superuserSql<{ usage: number }>(
    { ...tenant.address, database: 'postgres' },
    'select pg_notification_queue_usage() as usage',
  );
  expect(queue?.usage).toBe(0);
  expect((await sql('select count(*)::int as n from pg_listening_channels()')).body.rows).toEqual([{ n: 0 }]);
});

test('limits of the plan end a statement: too long, too large; the next request is served', async () => {
  const limits = {
    runtime_sessions_max: 2,
    statement_timeout_ms: 300,
    result_bytes_max: 20_000,
    sql_api: true,
    login_connections_max: 20,
    temp_file_kib_max: 10_240,
  };
  await superuserSql(
    fixture.house.catalog.address,
    `insert into plans (id, title, limits) values ('tiny', 'Tiny', $1)`,
    [JSON.stringify(limits)],
  );
  const tiny = await fixture.addTenant('tiny');
  const own = { token: await fixture.token(tiny.id) };
  const startedMs = performance.now();
  expect((await sql('select pg_sleep(20)', [], own)).body).toMatchObject({
    code: '57014',
    message: expect.stringContaining('300 ms') as string,
  });
  expect(performance.now() - startedMs).toBeLessThan(2_000);
  await waitUntil(async () => (await activeIn(tiny.address)) === 0, { what: 'the statement to end' });
  const heapBefore = process.memoryUsage().rss;
  const large = await sql(
    `select repeat('x', 1000) from generate_series(1, 5000) a, generate_series(1, 400) b`,
    [],
    own,
  );
  expect(large).toMatchObject({
    status: 400,
    body: { code: 'result_too_large', message: expect.any(String) as string },
  });
  expect(process.memoryUsage().rss - heapBefore).toBeLessThan(150 * 1024 * 1024);
  const batch = await call(runtime.url, own.token, {
    body: { queries: Array.from({ length: 30 }, () => ({ query: `select repeat('x', 1000)` })) },
  });
  expect(batch.body).toMatchObject({ code: 'result_too_large' });
  expect((await sql('select 1 as n', [], own)).body.rows).toEqual([{ n: 1 }]);
});

test('sql:read reads and never writes, whatever it says', async () => {
  const reader = { token: await fixture.token(tenant.id, { scope: 'sql:read' }) };
  expect((await sql('select tenant_uid from canary', [], reader)).body.rows).toEqual([{ tenant_uid: tenant.canary }]);
  for (const query of [
    `insert into canary values ('x')`,
    `select set_config('transaction_read_only', 'off', false)`,
    'create table public.mine (a int)',
    `select nextval('customers_id_seq')`,
  ]) {
    expect((await sql(query, [], reader)).body.code, query).toMatch(/^(25006|25001|42501)$/);
  }
  const escaped = await call(runtime.url, reader.token, {
    body: { queries: [{ query: 'set transaction read write' }, { query: `insert into canary values ('x')` }] },
  });
  expect(escaped.body.code).toBe('25001');
  // With the setting turned off, the rights of the login are the second lock.
  await sql('set default_transaction_read_only = off', [], reader);
  expect((await sql('select current_user::text as who', [], reader)).body.rows).toEqual([
    { who: `${tenant.address.database}_ro` },
  ]);
});

test('bad bodies are 400 with a code, never 5xx', async () => {
  const bodies: [unknown, string][] = [
    ['{', 'invalid_json'],
    ['[]', 'sql_request_invalid'],
    ['null', 'sql_request_invalid'],
    ['{"query":"a","query":"b"}', 'invalid_json'],
    [{}, 'sql_request_invalid'],
    [{ query: 7 }, 'sql_request_invalid'],
    [{ query: 'select 1', params: 'x' }, 'sql_request_invalid'],
    [{ query: 'select \0' }, 'sql_request_invalid'],
    [{ query: 'select $1::text', params: ['\0'] }, 'sql_request_invalid'],
    [{ query: 'select 1', queries: [] }, 'sql_request_invalid'],
    [{ queries: {} }, 'sql_request_invalid'],
    [{ queries: [1] }, 'sql_request_invalid'],
    [{ queries: Array.from({ length: 501 }, () => ({ query: 'select 1' })) }, 'batch_too_large'],
    [{ query: 'select 1; select 2' }, '42601'],
    [{ query: 'copy canary to stdout' }, '0A000'],
    [{ query: 'select $1::int', params: ['x'] }, '22P02'],
    [{ query: 'select $70000' }, '42P18'],
    [{ query: 'select 1', params: Array.from({ length: 70_000 }, () => 1) }, 'sql_request_invalid'],
  ];
  for (const [body, code] of bodies) {
    const answer = await call(runtime.url, token, { body });
    expect(answer, JSON.stringify(body).slice(0, 60)).toMatchObject({ status: 400, body: { code } });
  }
  const isolation = await call(runtime.url, token, {
    body: { queries: [] },
    headers: { 'Neon-Batch-Isolation-Level': 'constructor' },
  });
  expect(isolation).toMatchObject({ status: 400, body: { code: 'sql_request_invalid' } });
  expect((await call(runtime.url, token, { body: { queries: [] } })).body).toEqual({ results: [] });
  expect((await sql('')).status).toBe(200);
  expect((await sql('select 1 as n')).body.rows).toEqual([{ n: 1 }]);
});

test.each(['fast', 'immediate'] as const)(
  'R04 the cluster restarts (%s) under load: nothing acknowledged is lost, service is back',
  async (mode) => {
    const server = fixture.house.clusters.find(
      (cluster) => cluster.server.address.port === tenant.address.port,
    )?.server;
    if (server === undefined) throw new Error('the cluster is one of the installation');
    // Test servers acknowledge before they write; here the acknowledgement is what counts.
    await superuserSql(
      { ...tenant.address, database: 'postgres' },
      `alter database ${tenant.address.database} set synchronous_commit = on`,
    );
    await superuserSql(
      { ...tenant.address, database: 'postgres' },
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1',
      [tenant.address.database],
    );
    const acknowledged: string[] = [];
    const statuses = new Map<number, number>();
    let writing = true;
    const writer = async () => {
      while (writing) {
        const id = randomBytes(8).toString('hex');
        const { status } = await sql('insert into canary values ($1, $2)', [id, 'r04']);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 200) acknowledged.push(id);
      }
    };
    const writers = Array.from({ length: 4 }, writer);
    await waitUntil(() => acknowledged.length > 50, { what: 'writes before the restart' });
    await server.stop(mode);
    await waitUntil(() => (statuses.get(503) ?? 0) > 0, { what: 'a request during the outage' });
    await server.start();
    const upMs = performance.now();
    const before = acknowledged.length;
    await waitUntil(() => acknowledged.length > before + 20, { what: 'writes after the restart' });
    expect(performance.now() - upMs).toBeLessThan(5_000);
    writing = false;
    await Promise.all(writers);
    expect([...statuses.keys()].sort()).toEqual([200, 503]);
    const stored = await superuserSql<{ tenant_uid: string }>(
      tenant.address,
      `select tenant_uid from public.canary where note = 'r04'`,
    );
    const kept = new Set(stored.map((row) => row.tenant_uid));
    const lost = acknowledged.filter((id) => !kept.has(id));
    expect(lost).toEqual([]);
  },
  60_000,
);

test('R03 R04 a cluster that swallows everything is asked little and refused at once; the other is served; it is back by itself', async () => {
  const { db } = fixture.house.catalog;
  const [one, two] = fixture.house.clusters;
  // One tenant on each: while the other cluster takes none, where a tenant goes is no choice.
  const onCluster = async (wanted: typeof one, other: typeof one) => {
    await db.updateTable('clusters').set({ state: 'draining' }).where('id', '=', other.id).execute();
    const added = await fixture.addTenant();
    await db.updateTable('clusters').set({ state: 'active' }).where('id', '=', other.id).execute();
    expect(added.address.port).toBe(wanted.server.address.port);
    return fixture.token(added.id);
  };
  const [dead, alive] = [await onCluster(one, two), await onCluster(two, one)];
  const proxy = await startFaultProxy(fixture.doorOf(one));
  await fixture.moveDoor(one, proxy.port);
  const own = await fixture.startRuntime({ FREEHOLD_RUNTIME_SESSION_WAIT_MS: '10000' });
  const ask = (with_: string) => sql('select 1 as n', [], { token: with_, url: own.url });
  expect([(await ask(dead)).status, (await ask(alive)).status]).toEqual([200, 200]);

  proxy.blackhole();
  proxy.cut();
  const accepted = proxy.accepted;
  await waitUntil(
    async () => {
      await Promise.all([ask(dead), ask(dead)]);
      return own.pools.away().length === 1;
    },
    { what: 'the breaker to open', timeoutMs: 30_000 },
  );
  const refused = await Promise.all(Array.from({ length: 100 }, () => ask(dead)));
  for (const { status, body, headers } of refused) {
    expect(status).toBe(503);
    expect(body).toMatchObject({ code: 'tenant_database_unavailable', retryable: true, outcome: 'not_done' });
    expect(headers.get('retry-after')).toBe('1');
  }
  for (let n = 0; n < 50; n++) expect((await ask(alive)).status).toBe(200);
  expect(proxy.accepted - accepted).toBeLessThan(20);
  expect((await own.metrics.page()).body).toContain('\nfreehold_runtime_clusters_away 1\n');

  proxy.heal();
  proxy.reset();
  const upMs = performance.now();
  await waitUntil(async () => (await ask(dead)).status === 200, { what: 'the cluster to be served again' });
  expect(performance.now() - upMs).toBeLessThan(5_000);
  expect(own.pools.away()).toEqual([]);
  await fixture.moveDoor(one, fixture.doorOf(one).port);
  await own.close();
  await proxy.close();
}, 60_000);

test('R05 the catalog is away: known tenants are served, also after a restart from the snapshot; new ones get 503; another snapshot is none', async () => {
  const { address } = fixture.house.catalog;
  const proxy: FaultProxy = await startFaultProxy(address);
  const catalogUrl = new URL(fixture.env.FREEHOLD_RUNTIME_CATALOG_URL as string);
  catalogUrl.port = String(proxy.port);
  const file = path.join(folder, 'routes.snapshot');
  const env = {
    FREEHOLD_RUNTIME_CATALOG_URL: catalogUrl.href,
    FREEHOLD_RUNTIME_SNAPSHOT_FILE: file,
    FREEHOLD_RUNTIME_ROUTE_REFRESH_MS: '200',
    FREEHOLD_RUNTIME_ROUTE_AGE_MAX_MS: '300',
  };
  // Made before the runtime listens: one that is made later it reads ahead, and serves too.
  const stranger = await fixture.addTenant();
  const strangerToken = await fixture.token(stranger.id);
  const first = await fixture.startRuntime(env);
  expect((await sql('select 1', [], { url: first.url })).status).toBe(200);

  proxy.refuse();
  proxy.cut();
  await waitUntil(() => first.routes.stats().catalogAway, { what: 'the runtime to notice' });
  await waitUntil(() => first.routes.stats().ageMaxMs > 400, { what: 'the route to be older than its bound' });
  for (let round = 0; round < 50; round++) expect((await sql('select 1', [], { url: first.url })).status).toBe(200);
  expect(first.routes.stats().servedWhileAway).toBeGreaterThan(0);
  expect(await sql('select 1', [], { url: first.url, token: strangerToken })).toMatchObject({
    status: 503,
    body: { code: 'catalog_unavailable' },
  });
  expect((await call(first.url, undefined, { path: '/readyz' })).status).toBe(200);
  expect((await first.metrics.page()).body).toMatch(
    /freehold_runtime_catalog_away 1\n[\s\S]*freehold_runtime_key_age_seconds [\d.]+/,
  );
  await first.close();

  const second = await fixture.startRuntime(env);
  expect((await sql('select tenant_uid from canary where note is null', [], { url: second.url })).body.rows).toEqual([
    { tenant_uid: tenant.canary },
  ]);
  expect((await sql('select 1', [], { url: second.url, token: strangerToken })).status).toBe(503);
  // What is on the disk says nothing to who has only the disk, and one altered byte is noticed.
  const sealed = fs.readFileSync(file, 'utf8');
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  expect(sealed).not.toMatch(/tnt_|postgres|sealed|dbs_/);
  await second.close();
  // A file of another installation, and one of ours that was sealed for something else, are none.
  const known = testSealer();
  const other = createSealer({ keys: [{ id: 'test', key: randomBytes(32) }], currentKeyId: 'test' });
  const text = known.open(sealed, 'runtime/route-snapshot/v1');
  for (const forged of [other.seal(text, 'runtime/route-snapshot/v1'), known.seal(text, 'runtime/route-snapshot/v0')]) {
    fs.writeFileSync(file, forged);
    const misled = await fixture.startRuntime(env);
    expect((await sql('select 1', [], { url: misled.url })).status).toBe(401);
    expect((await call(misled.url, undefined, { path: '/readyz' })).status).toBe(503);
    await misled.close();
  }
  fs.writeFileSync(file, `${sealed.slice(0, -5)}${sealed.at(-5) === 'A' ? 'B' : 'A'}${sealed.slice(-4)}`);
  const third = await fixture.startRuntime(env);
  expect((await sql('select 1', [], { url: third.url })).status).toBe(401);
  expect((await call(third.url, undefined, { path: '/readyz' })).status).toBe(503);

  proxy.heal();
  await waitUntil(async () => (await sql('select 1', [], { url: third.url, token: strangerToken })).status === 200, {
    what: 'everybody to be served again',
  });
  await third.close();
  await proxy.close();
}, 60_000);
