// The runtime as a library: a product of its own on it, in this process, and the example of the repository as a process.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { Hono } from 'hono';
import { stream } from 'hono/streaming';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serve } from '../../platform/http/serve.ts';
import { createTenantRuntime, type Tenant, type TenantEnv } from '../../tenant-runtime/create-tenant-runtime.ts';
import { testLog } from '../support/installation.ts';
import { call, createRuntimeFixture, type RuntimeFixture, type TestTenant } from '../support/runtime.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

type Db = { members: { id: string; display_name: string; email: string }; canary: { tenant_uid: string } };

let fixture: RuntimeFixture;
let a: TestTenant;
let b: TestTenant;
let product: Awaited<ReturnType<typeof startProduct>>;
let seen: Tenant<Db> | undefined;
let inspect: (tenant: Tenant<Db>) => Promise<void>;

beforeAll(async () => {
  fixture = await createRuntimeFixture();
  [a, b] = [await fixture.addTenant(), await fixture.addTenant()];
  product = await startProduct();
}, 60_000);
afterAll(async () => {
  await product.close();
  await fixture.close();
});

const add = (db: Tenant<Db>['db'], name: string) =>
  db
    .insertInto('members')
    .values({ display_name: name, email: `${name}@example.com` } as never)
    .execute();
const names = async (db: Tenant<Db>['db']) =>
  (await db.selectFrom('members').select('display_name').orderBy('id').execute()).map((row) => row.display_name);

async function startProduct() {
  const log = testLog();
  const runtime = createTenantRuntime<Db>({ env: { ...fixture.env, FREEHOLD_RUNTIME_DEADLINE_MS: '5000' }, log });
  const app = new Hono<TenantEnv<Db>>();
  runtime.attach(app);
  app.use('/app/*', ...runtime.tenant());
  app.use('/each/*', ...runtime.tenant({ transaction: 'statement' }));
  app.use('/stream/*', ...runtime.tenant({ streams: true }));
  app.get('/app/canary', async (c) =>
    c.json({ id: c.var.tenant.id, rows: await c.var.tenant.db.selectFrom('canary').select('tenant_uid').execute() }),
  );
  app.get('/app/inspected', async (c) => {
    await inspect(c.var.tenant);
    return c.json({ sub: c.var.tenant.claims.sub });
  });
  for (const mode of ['app', 'each'] as const) {
    app.post(`/${mode}/members/:name/:end`, async (c) => {
      const { db } = c.var.tenant;
      await add(db, c.req.param('name'));
      const own = await names(db);
      if (c.req.param('end') === 'throw') throw new Error('a mistake of the product');
      return c.json({ own }, c.req.param('end') === 'conflict' ? 409 : 200);
    });
  }
  app.post('/app/savepoint', async (c) => {
    const { db, transaction } = c.var.tenant;
    await add(db, 'outer');
    const inner = transaction(async (trx) => {
      await add(trx, 'inner');
      await sql`select 1 / 0`.execute(trx);
    }).catch((error: { sqlstate?: string }) => error.sqlstate);
    return c.json({ failed: await inner, own: await names(db) });
  });
  app.get('/app/sleep', async (c) => {
    await sql`select pg_sleep(30)`.execute(c.var.tenant.db);
    return c.text('late');
  });
  app.get('/app/stuck', async (c) => {
    await names(c.var.tenant.db);
    return new Promise<never>(() => {});
  });
  app.get('/app/late', (c) => {
    const { db } = c.var.tenant;
    seen = c.var.tenant;
    return c.json({ later: typeof db });
  });
  app.get('/stream/names', (c) =>
    stream(c, async (out) => {
      for (const i of [1, 2, 3]) {
        const { rows } = await sql<{ text: string }>`select ${i} || ' of ' || count(*) as text from canary`.execute(
          c.var.tenant.db,
        );
        await out.write(`${rows[0]?.text}\n`);
      }
    }),
  );
  await runtime.start();
  const server = await serve({ app, host: '127.0.0.1', port: 0, log });
  const metric = async (name: string) =>
    Number(
      new RegExp(`${name} (\\d+)`).exec(await (await runtime.metricsPage.request('/metrics')).text())?.[1] ??
        Number.NaN,
    );
  return {
    url: server.url,
    runtime,
    leased: () => metric('freehold_runtime_sessions_leased'),
    async close() {
      await server.close(1_000);
      await runtime.stop();
    },
  };
}

const as = async (tenant: TestTenant, request: { path: string; method?: string }, claims = {}) =>
  call(product.url, await fixture.token(tenant.id, { scope: 'rest', ...claims }), request);

test('J10 each request works in the database of its token, whatever else it names', async () => {
  for (const [tenant, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const token = await fixture.token(tenant.id, { scope: 'rest' });
    const { body } = await call(product.url, token, { path: '/app/canary', headers: { 'x-tenant-id': other.id } });
    expect(body).toEqual({ id: tenant.id, rows: [{ tenant_uid: tenant.canary }] });
  }
  expect((await as(a, { path: '/app/canary' }, { scope: 'tenant:read' })).body.code).toBe('scope_missing');
  expect((await call(product.url, undefined, { path: '/app/canary' })).body.code).toBe('unauthenticated');
});

test('one transaction for a request: it reads its own writes, and a throw or an answer of 400 and above keeps nothing', async () => {
  const post = (name: string, end: string) => as(a, { method: 'POST', path: `/app/members/${name}/${end}` });
  expect(await post('ada', 'ok')).toMatchObject({ status: 200, body: { own: ['ada'] } });
  expect(await post('bob', 'conflict')).toMatchObject({ status: 409, body: { own: ['ada', 'bob'] } });
  expect(await post('eve', 'throw')).toMatchObject({ status: 500, body: { code: 'internal' } });
  expect(await superuserSql(a.address, 'select display_name from members')).toEqual([{ display_name: 'ada' }]);
  expect(await as(a, { method: 'POST', path: '/app/savepoint' })).toMatchObject({
    status: 200,
    body: { failed: '22012', own: ['ada', 'outer'] },
  });
  // Statement by statement, what was done before the throw stays.
  await as(b, { method: 'POST', path: '/each/members/kept/throw' });
  expect(await superuserSql(b.address, 'select display_name from members')).toEqual([{ display_name: 'kept' }]);
});

test('N02 a token that may only read gets the read-only login', async () => {
  const { status } = await as(a, { method: 'POST', path: '/app/members/x/ok' }, { scope: 'rest:read' });
  expect(status).toBe(500);
  expect((await as(a, { path: '/app/canary' }, { scope: 'rest:read' })).status).toBe(200);
  expect(await superuserSql(a.address, `select 1 from members where display_name = 'x'`)).toEqual([]);
});

test('S02 the session is given back after a stream, a client that leaves, and the deadline', async () => {
  const token = await fixture.token(a.id, { scope: 'rest' });
  const streamed = await fetch(`${product.url}/stream/names`, { headers: { authorization: `Bearer ${token}` } });
  expect(await streamed.text()).toBe('1 of 1\n2 of 1\n3 of 1\n');
  await waitUntil(async () => (await product.leased()) === 0, { what: 'the session after the stream' });
  const leaving = new AbortController();
  const left = call(product.url, token, { path: '/app/sleep', signal: leaving.signal }).catch((e: Error) => e.name);
  await waitUntil(async () => (await product.leased()) === 1, { what: 'the statement' });
  leaving.abort();
  expect(await left).toBe('AbortError');
  await waitUntil(async () => (await product.leased()) === 0, { what: 'the session of the client that left' });
  expect(await call(product.url, token, { path: '/app/sleep' })).toMatchObject({ status: 504 });
  await waitUntil(async () => (await product.leased()) === 0, { what: 'the session after the deadline' });
  // A handler that waits for ever, between two statements: it may leak itself, not the session.
  const stuck = new AbortController();
  const gone = call(product.url, token, { path: '/app/stuck', signal: stuck.signal }).catch((e: Error) => e.name);
  await waitUntil(async () => (await product.leased()) === 1, { what: 'the open transaction' });
  stuck.abort();
  expect(await gone).toBe('AbortError');
  await waitUntil(async () => (await product.leased()) === 0, { what: 'the session of the handler that is stuck' });
});

test('a handle that outlives its request is refused', async () => {
  await as(a, { path: '/app/late' });
  await expect(names((seen as Tenant<Db>).db)).rejects.toMatchObject({ code: 'tenant_request_ended' });
});

test('nothing that a handler holds leads to a pool, a credential, a route or another tenant', async () => {
  await as(b, { path: '/app/canary' });
  const secrets = [
    fixture.env.FREEHOLD_SEALING_KEYS,
    'only-in-tests',
    a.address.password,
    b.id,
    b.databaseId,
    a.databaseId,
  ];
  const found: string[] = [];
  const visited = new Set<unknown>();
  const walk = (value: unknown, where: string): void => {
    if (typeof value === 'string') {
      for (const secret of secrets) if (secret && value.includes(secret)) found.push(`${where} holds a secret`);
      return;
    }
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || visited.has(value)) return;
    visited.add(value);
    if (Object.values(Object.getPrototypeOf(globalThis) ?? {}).includes(value as never)) return;
    const inner = value as Record<PropertyKey, unknown>;
    for (const name of ['lease', 'queryRaw', 'sealer', 'reload', 'poolKey', 'sealed', 'generation', 'backendPid']) {
      if (name in inner) found.push(`${where} has ${name}`);
    }
    if (value instanceof Map || value instanceof Set) for (const each of value) walk(each, `${where}[…]`);
    for (const key of Reflect.ownKeys(inner)) {
      const descriptor = Reflect.getOwnPropertyDescriptor(inner, key);
      walk(descriptor?.value ?? descriptor?.get?.call(value), `${where}.${String(key)}`);
    }
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype !== Object.prototype && prototype !== Function.prototype) walkPrototype(prototype, value, where);
  };
  const walkPrototype = (prototype: object | null, self: unknown, where: string): void => {
    for (; prototype !== null && prototype !== Object.prototype; prototype = Object.getPrototypeOf(prototype)) {
      for (const key of Reflect.ownKeys(prototype)) {
        const get = Reflect.getOwnPropertyDescriptor(prototype, key)?.get;
        if (get === undefined) continue;
        let value: unknown;
        try {
          value = Reflect.apply(get, self, []);
        } catch {} // a getter for another kind of object
        walk(value, `${where}.${String(key)}`);
      }
    }
  };
  inspect = async (tenant) => {
    expect(Object.isFrozen(tenant)).toBe(true);
    expect(Object.keys(tenant).sort()).toEqual(['claims', 'db', 'id', 'log', 'signal', 'transaction']);
    walk(tenant, 'tenant');
    const executor = tenant.db.getExecutor();
    walk(executor, 'executor');
    await executor.provideConnection(async (connection) => {
      expect(connection).toHaveProperty('executeQuery');
      walk(connection, 'connection');
    });
    await tenant.transaction(async (trx) => walk(trx, 'transaction'));
  };
  expect((await as(a, { path: '/app/inspected' })).status).toBe(200);
  expect(found).toEqual([]);
  expect(visited.size).toBeGreaterThan(20);
});

test('the example product runs as a process, and its tenants see their own tasks only', async () => {
  for (const tenant of [a, b]) {
    await superuserSql(
      tenant.address,
      `insert into customers (name, email, country) values ('C', 'c@example.com', 'GB');
       insert into projects (customer_id, code, name) select id, 'WORK', 'Work' from customers limit 1`,
    );
  }
  const main = path.resolve(import.meta.dirname, '../../examples/tasks-api/main.ts');
  const env = { PATH: process.env.PATH, ...fixture.env, FREEHOLD_LOG_LEVEL: 'warn' };
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const url = await waitUntil(() => /http:\S+/.exec(output)?.[0], { what: 'the address of the example' });
    const [asA, asB] = [await fixture.token(a.id, { scope: 'rest' }), await fixture.token(b.id, { scope: 'rest' })];
    const tasks = { path: '/projects/WORK/tasks' };
    const made = await call(url, asA, { ...tasks, body: { title: 'Write it down', labels: ['now'] } });
    expect(made).toMatchObject({ status: 201, body: { number: 1, title: 'Write it down', status: 'open' } });
    expect((await call(url, asA, { ...tasks })).body).toMatchObject({ tasks: [{ number: 1, labels: ['now'] }] });
    expect((await call(url, asB, { ...tasks })).body).toEqual({ tasks: [] });
    const change = { method: 'PATCH', path: '/projects/WORK/tasks/1', body: { status: 'done' } };
    expect((await call(url, asB, change)).status).toBe(404);
    expect(await call(url, asA, change)).toMatchObject({ status: 200, body: { status: 'done' } });
    expect((await call(url, asA, { ...tasks, body: { title: '' } })).status).toBe(400);
    expect((await call(url, asA, { path: '/projects/NONE/tasks', body: { title: 'x' } })).status).toBe(404);
    expect((await call(url, undefined, tasks)).status).toBe(401);
  } finally {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }
  expect(child.exitCode).toBe(0);
});
