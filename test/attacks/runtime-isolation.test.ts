// No request ever reads another tenant's data: sessions mixed at random, evicted at random, and routes that lie.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '../../catalog/ids.ts';
import type { RouteRow } from '../../catalog/routes.ts';
import { createRouteReader } from '../../tenant-runtime/route.ts';
import {
  call,
  createRuntimeFixture,
  type RunningRuntime,
  type RuntimeFixture,
  type TestTenant,
} from '../support/runtime.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

const tenantCount = 20;
/** The long proof is test/soak/isolation.soak.ts. */
const requestCount = process.env.FREEHOLD_TEST_POOLER === '1' ? 1_000 : 3_000;

let fixture: RuntimeFixture;
let runtime: RunningRuntime;
let tenants: TestTenant[];
let tokens: string[];

beforeAll(async () => {
  fixture = await createRuntimeFixture();
  tenants = [];
  for (let n = 0; n < tenantCount; n++) tenants.push(await fixture.addTenant());
  tokens = await Promise.all(tenants.map((tenant) => fixture.token(tenant.id, { scope: scopeOf(tenant) })));
  // Fewer sessions than tenants, so that they evict each other all the time.
  runtime = await fixture.startRuntime({
    FREEHOLD_RUNTIME_SESSIONS_PER_CLUSTER_MAX: '9',
    FREEHOLD_RUNTIME_SESSION_WAIT_MS: '20000',
  });
}, 120_000);
afterAll(() => fixture.close());

/** Every third one reads by the read-only login. */
const scopeOf = (tenant: TestTenant) =>
  tenant.id.charCodeAt(29) % 3 === 0 ? 'sql:read tenant:read' : 'sql tenant:read';
const readCanary = { query: 'select tenant_uid, current_database() as db from canary', arrayMode: true };
const sqlOn = (text: string, params: unknown[] = []) => superuserSql(fixture.house.catalog.address, text, params);

async function expectOwnCanary(n: number): Promise<'ok' | 'busy'> {
  const { status, body } = await call(runtime.url, tokens[n], { body: readCanary });
  if (status === 503) return 'busy';
  expect(body.rows, `tenant ${n}: ${JSON.stringify(body)}`).toEqual([
    [tenants[n]?.canary, tenants[n]?.address.database],
  ]);
  return 'ok';
}

test(`N05 ${requestCount} requests of ${tenantCount} tenants, sessions evicted at random: no foreign row`, async () => {
  const counts = { ok: 0, busy: 0 };
  let left = requestCount;
  let running = true;
  const evictor = (async () => {
    for (let at = left; running; at -= 100) {
      await waitUntil(() => left <= at || !running, {
        what: 'a hundred more requests',
        timeoutMs: 60_000,
        intervalMs: 5,
      });
      const ids = Array.from({ length: 4 }, () => tenants[Math.floor(Math.random() * tenantCount)]?.id);
      await sqlOn('update tenants set generation = generation + 1 where id = any($1)', [ids]);
      const victim = tenants[Math.floor(Math.random() * tenantCount)] as TestTenant;
      await superuserSql(
        { ...victim.address, database: 'postgres' },
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and state = 'idle'`,
        [victim.address.database],
      );
    }
  })();
  const client = async () => {
    while (left-- > 0) counts[await expectOwnCanary(Math.floor(Math.random() * tenantCount))]++;
  };
  await Promise.all(Array.from({ length: 24 }, client)).finally(() => {
    running = false;
  });
  await evictor;
  console.log(`N05: ${counts.ok} answers, each its own canary; ${counts.busy} refused while sessions were killed`);
  // A kill can hit a statement in flight; that is a 503, never somebody else's row.
  expect(counts.busy).toBeLessThan(requestCount / 20);
}, 400_000);

test('N06 a route that names the database of another tenant is refused, not served', async () => {
  const [a, b] = tenants as [TestTenant, TestTenant];
  const swap = (first: TestTenant, second: TestTenant) =>
    sqlOn(
      `do $$ begin
       update databases set state = 'retiring' where id in ('${a.databaseId}', '${b.databaseId}');
       update databases set tenant_id = '${second.id}' where id = '${a.databaseId}';
       update databases set tenant_id = '${first.id}' where id = '${b.databaseId}';
       update databases set state = 'claimed' where id in ('${a.databaseId}', '${b.databaseId}');
       update tenants set generation = generation + 1 where id in ('${a.id}', '${b.id}');
     end $$`,
    );
  await swap(a, b);
  await waitUntil(() => expectBoth(503, 'tenant_database_unavailable'), { what: 'both tenants to be refused' });
  for (let round = 0; round < 20; round++) expect(await expectBoth(503, 'tenant_database_unavailable')).toBe(true);
  await swap(b, a);
  await waitUntil(() => expectBoth(200, undefined), { what: 'both tenants to be served again' });
});

async function expectBoth(status: number, code: string | undefined): Promise<boolean> {
  const answers = await Promise.all([0, 1].map((n) => call(runtime.url, tokens[n], { body: readCanary })));
  for (const { body } of answers) {
    if (body.code !== undefined) expect(JSON.stringify(body)).not.toMatch(/t_[0-9a-z]{26}|dbs_|127\.0\.0\.1/);
  }
  for (const [n, { body }] of answers.entries()) {
    if (body.rows !== undefined) expect(body.rows).toEqual([[tenants[n]?.canary, tenants[n]?.address.database]]);
  }
  return answers.every((answer) => answer.status === status && answer.body.code === code);
}

test('N06 a database that was created again under the same name is refused by its identity row', async () => {
  const tenant = tenants[2] as TestTenant;
  await expectOwnCanary(2);
  const restart = () =>
    superuserSql(
      { ...tenant.address, database: 'postgres' },
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1',
      [tenant.address.database],
    );
  await superuserSql(tenant.address, `update freehold.identity set tenant_id = '${newId('tenant')}'`);
  await restart();
  await waitUntil(async () => (await call(runtime.url, tokens[2], { body: readCanary })).status === 503, {
    what: 'the refusal',
  });
  await superuserSql(tenant.address, `update freehold.identity set tenant_id = '${tenant.id}'`);
  expect(await expectOwnCanary(2)).toBe('ok');
  await superuserSql(tenant.address, 'alter table freehold.identity rename to gone');
  await restart();
  await waitUntil(async () => (await call(runtime.url, tokens[2], { body: readCanary })).status === 503, {
    what: 'the refusal',
  });
  await superuserSql(tenant.address, 'alter table freehold.gone rename to identity');
  expect(await expectOwnCanary(2)).toBe('ok');
});

test('N06 a tenant that has moved is served from its new place at the next request, without a failure', async () => {
  const tenant = tenants[3] as TestTenant;
  await expectOwnCanary(3);
  // The runtime is told nothing: the login is changed behind its back, and the catalog knows the other one.
  await sqlOn('alter table tenants disable trigger tenants_told');
  await sqlOn(`update databases set active_login = 'app_b' where id = $1`, [tenant.databaseId]);
  await sqlOn(`update tenants set generation = generation + 1 where id = $1`, [tenant.id]);
  await sqlOn('alter table tenants enable trigger tenants_told');
  await superuserSql(
    { ...tenant.address, database: 'postgres' },
    `alter role ${tenant.address.database}_app_a nologin`,
  );
  await superuserSql(
    { ...tenant.address, database: 'postgres' },
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1',
    [tenant.address.database],
  );
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => call(runtime.url, tokens[3], { body: readCanary })),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
});

test('R11 the login of a tenant changes again and again under load: not one request fails', async () => {
  const token = await fixture.token(tenants[4]?.id as TestTenant['id'], { scope: 'sql' });
  let changing = true;
  const statuses = new Map<number, number>();
  const client = async () => {
    while (changing) {
      const { status, body } = await call(runtime.url, token, { body: readCanary });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status === 200) expect(body.rows).toEqual([[tenants[4]?.canary, tenants[4]?.address.database]]);
    }
  };
  const clients = Array.from({ length: 6 }, client);
  for (let turn = 0; turn < 10; turn++) {
    const login = turn % 2 === 0 ? 'app_b' : 'app_a';
    await sqlOn('update databases set active_login = $2 where id = $1', [tenants[4]?.databaseId, login]);
    await sqlOn('update tenants set generation = generation + 1 where id = $1', [tenants[4]?.id]);
    await waitUntil(
      async () => {
        const who = { query: 'select session_user::text as who', params: [] };
        const { body } = await call(runtime.url, token, { body: who });
        return String((body.rows as [{ who: string }] | undefined)?.[0].who).endsWith(login);
      },
      { what: `the new login to be used` },
    );
  }
  changing = false;
  await Promise.all(clients);
  expect([...statuses.keys()]).toEqual([200]);
});

test('R06 every tenant cold at once, ten requests each: all are served, through no more sessions than allowed', async () => {
  const cold = await fixture.startRuntime({
    FREEHOLD_RUNTIME_SESSIONS_PER_CLUSTER_MAX: '4',
    FREEHOLD_RUNTIME_SESSION_WAIT_MS: '60000',
  });
  const instance = await instanceOf(cold);
  let most = 0;
  let mostOpen = 0;
  let storming = true;
  const watching = (async () => {
    while (storming) {
      for (const { server } of fixture.house.clusters) {
        const [row] = await superuserSql<{ n: number }>(
          { ...server.address, database: 'postgres' },
          `select count(*)::int as n from pg_stat_activity where application_name like $1`,
          [`freehold-runtime ${instance}`],
        );
        most = Math.max(most, row?.n ?? 0);
        const open = await cold.metrics.registry.getSingleMetric('freehold_runtime_share_sessions_open')?.get();
        mostOpen = Math.max(mostOpen, ...(open?.values.map(({ value }) => value) ?? []));
      }
    }
  })();
  const storm = await Promise.all(
    Array.from({ length: tenantCount * 10 }, (_, n) =>
      call(cold.url, tokens[n % tenantCount], { body: readCanary }).then(({ status, body }) => ({ n, status, body })),
    ),
  ).finally(() => {
    storming = false;
  });
  await watching;
  for (const { n, status, body } of storm) {
    const { canary, address } = tenants[n % tenantCount] as TestTenant;
    expect({ status, rows: body.rows }, `tenant ${n % tenantCount}`).toEqual({
      status: 200,
      rows: [[canary, address.database]],
    });
  }
  expect(most).toBeGreaterThan(0);
  expect(mostOpen).toBeGreaterThan(0);
  expect(mostOpen).toBeLessThanOrEqual(4);
  // A pooler has sessions of its own to the server, which keep the name of whom they served last.
  if (fixture.poolers.length === 0) expect(most).toBeLessThanOrEqual(4);
  await cold.close();
});

/** As its sessions name it. */
async function instanceOf(of: RunningRuntime): Promise<string> {
  const { body } = await call(of.url, tokens[0], {
    body: { query: `select split_part(current_setting('application_name'), ' ', 2) as id`, params: [] },
  });
  return (body.rows as [{ id: string }])[0].id;
}

test('N04 no two databases, logins or generations share a key', () => {
  const row = (more: Partial<RouteRow>): RouteRow => ({
    tenant_id: newId('tenant'),
    state: 'active',
    epoch: 1,
    generation: 1,
    plan_id: 'team',
    limits: {} as never,
    database_id: newId('database'),
    database_name: null,
    lanes: null,
    cluster_id: newId('cluster'),
    host: 'h',
    port: 1,
    tls: 'disable',
    ca: null,
    connection_budget: 1,
    active_login: 'app_a',
    app_sealed: 'x',
    ro_sealed: 'x',
    pooler_url: null,
    fingerprint: '',
    ...more,
  });
  const base = row({});
  const rows = [
    base,
    row({ ...base, generation: 11 }),
    row({ ...base, active_login: 'app_b' }),
    row({ ...base, database_id: newId('database') }),
    row({ ...base, generation: 111 }),
  ];
  const routeOf = createRouteReader();
  const keys = rows.flatMap((one) => Object.values(routeOf(one).database?.logins ?? {}).map((login) => login.poolKey));
  // app_a and app_b of one generation share their read-only login, and nothing else.
  expect(new Set(keys).size).toBe(keys.length - 1);
  for (const key of keys) expect(key).toMatch(/^dbs_[0-9A-Z]{26}\/(app_a|app_b|ro)\/\d+$/);
});
