// Who may do how much at once and in a minute, and that what is given up ends: a noisy tenant meets its own limits, others none.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { planLimitsSchema } from '../../catalog/plan-limits.ts';
import { describeWith } from '../support/components.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import {
  type Answer,
  call,
  createRuntimeFixture,
  type RunningRuntime,
  type RuntimeFixture,
  type TestTenant,
} from '../support/runtime.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

let fixture: RuntimeFixture;
let runtime: RunningRuntime;
let neighbour: TestTenant;

beforeAll(async () => {
  fixture = await createRuntimeFixture();
  neighbour = await fixture.addTenant();
  runtime = await fixture.startRuntime();
}, 60_000);
afterAll(() => fixture.close());

let plans = 0;
async function tenantWith(limits: Record<string, unknown>): Promise<TestTenant> {
  const id = `plan-${++plans}`;
  await superuserSql(fixture.house.catalog.address, `insert into plans (id, title, limits) values ($1, 'Plan', $2)`, [
    id,
    JSON.stringify(planLimitsSchema.parse({ sql_api: true, ...limits })),
  ]);
  return fixture.addTenant(id);
}
const ask = (token: string, query = 'select 1', options: { url?: string; signal?: AbortSignal } = {}) =>
  call(options.url ?? runtime.url, token, { body: { query }, ...(options.signal && { signal: options.signal }) });
const activeIn = async (tenant: TestTenant) =>
  (
    await superuserSql(
      { ...tenant.address, database: 'postgres' },
      `select pid from pg_stat_activity where datname = $1 and (state = 'active' or state like 'idle in transaction%')`,
      [tenant.address.database],
    )
  ).length;

test('R07 a tenant beyond its sessions and its queue gets 429 with Retry-After, at once; its neighbour is served all the while', async () => {
  const noisy = await tenantWith({ runtime_sessions_max: 2, requests_waiting_max: 3, statement_timeout_ms: 60_000 });
  const [token, other] = [await fixture.token(noisy.id), await fixture.token(neighbour.id)];
  const leaving = new AbortController();
  const flood = Array.from({ length: 50 }, () => ask(token, 'select pg_sleep(30)', { signal: leaving.signal }));
  const early: Answer[] = [];
  for (const request of flood) request.then((answer) => early.push(answer)).catch(() => {});
  await waitUntil(() => early.length === 45, { what: 'all but two at work and three in the queue to be refused' });
  for (const { status, body, headers } of early) {
    expect(status).toBe(429);
    expect(body).toMatchObject({ code: 'tenant_busy', retryable: true, outcome: 'not_done' });
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  }
  for (let n = 0; n < 50; n++) expect((await ask(other)).status).toBe(200);
  expect((await runtime.metrics.page()).body).toContain('freehold_runtime_refused_total{limit="queue"} 45');
  leaving.abort();
  await Promise.allSettled(flood);
  // Those who left in the queue have left their places.
  await waitUntil(async () => (await ask(token)).status === 200, { what: 'the tenant to be served again' });
  await waitUntil(async () => (await activeIn(noisy)) === 0, { what: 'what was given up to end' });
});

test('S02 a request that reaches the deadline of the server, or leaves while it waits, frees its slot within a second', async () => {
  const hurried = await fixture.startRuntime({ FREEHOLD_RUNTIME_DEADLINE_MS: '400' });
  const one = await tenantWith({ runtime_sessions_max: 1, statement_timeout_ms: 60_000 });
  const token = await fixture.token(one.id);
  const late = await ask(token, 'select pg_sleep(30)', { url: hurried.url });
  expect(late).toMatchObject({ status: 504, body: { code: 'deadline_exceeded' } });
  const freedMs = performance.now();
  await waitUntil(async () => (await activeIn(one)) === 0, { what: 'the statement to end' });
  expect((await ask(token, 'select 1', { url: hurried.url })).status).toBe(200);
  expect(performance.now() - freedMs).toBeLessThan(2_000);

  const batch = { queries: [{ query: 'select 1' }, { query: 'select pg_sleep(30)' }] };
  const inTransaction = await call(hurried.url, token, { body: batch });
  expect(inTransaction.status).toBe(504);
  await waitUntil(async () => (await activeIn(one)) === 0, { what: 'the transaction to end' });

  const holding = new AbortController();
  const holder = ask(token, 'select pg_sleep(30)', { signal: holding.signal }).catch(() => 'left');
  await waitUntil(async () => (await activeIn(one)) === 1, { what: 'the only session to be at work' });
  const leaving = new AbortController();
  const waiting = ask(token, 'select 1', { signal: leaving.signal }).catch(() => 'left');
  await waitUntil(() => runtime.pools.stats().waiting === 1, { what: 'the second to wait' });
  leaving.abort();
  expect(await waiting).toBe('left');
  await waitUntil(() => runtime.pools.stats().waiting === 0, { what: 'its place to be free' });
  holding.abort();
  expect(await holder).toBe('left');
  await waitUntil(async () => (await activeIn(one)) === 0, { what: 'the holder to end' });
  expect((await ask(token)).status).toBe(200);
});

test('A06 limits of a minute for tenant, subject and address: what is left is told, 429 beyond, others untouched', async () => {
  const limited = await tenantWith({
    tenant_requests_per_minute: 8,
    subject_requests_per_minute: 4,
    ip_requests_per_minute: 100,
  });
  const [one, two] = [await fixture.token(limited.id), await fixture.token(limited.id, { sub: 'user-2' })];
  const first = await ask(one);
  expect(first.status).toBe(200);
  expect(first.headers.get('ratelimit-policy')).toBe('"tenant";q=8;w=60, "subject";q=4;w=60, "ip";q=100;w=60');
  expect(first.headers.get('ratelimit')).toMatch(/^"tenant";r=7;t=\d+, "subject";r=3;t=\d+, "ip";r=99;t=\d+$/);
  for (let n = 0; n < 3; n++) expect((await ask(one)).status).toBe(200);
  const refused = await ask(one);
  expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited', limit: 'subject' } });
  expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
  expect(refused.headers.get('ratelimit')).toContain('"subject";r=0');
  // The refused one counted for the tenant as well: 5 of 8.
  for (let n = 0; n < 3; n++) expect((await ask(two)).status).toBe(200);
  expect(await ask(two)).toMatchObject({ status: 429, body: { limit: 'tenant' } });
  const other = await ask(await fixture.token(neighbour.id));
  expect([other.status, other.headers.get('ratelimit')]).toEqual([200, null]);
  // A token that is none is refused as such; it counts for nobody.
  expect((await ask('not-a-token')).status).toBe(401);
});

test('A06 refused tokens of one address are counted: beyond the limit 429, while good tokens of that address and bad ones of others are answered as ever', async () => {
  const strict = await fixture.startRuntime({
    FREEHOLD_RUNTIME_REFUSED_TOKENS_PER_MINUTE: '5',
    FREEHOLD_RUNTIME_CLIENT_IP_HEADER: 'x-forwarded-for',
  });
  const from = async (address: string, token: string | undefined) =>
    call(strict.url, token, { headers: { 'x-forwarded-for': address } });
  const old = await fixture.token(neighbour.id, { exp: 1_000_000_000, iat: 999_999_000 });
  const statuses = [];
  for (const bad of ['none', old, undefined, 'a.b.c', 'none', 'none', old])
    statuses.push((await from('203.0.113.7', bad)).status);
  expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429]);
  const refused = await from('203.0.113.7', 'none');
  expect(refused.body).toMatchObject({ code: 'rate_limited', limit: 'refused_tokens' });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await from('203.0.113.7', await fixture.token(neighbour.id))).status).toBe(200);
  expect((await from('203.0.113.8', 'none')).status).toBe(401);
  expect((await strict.metrics.page()).body).toContain('freehold_runtime_refused_total{limit="refused_tokens"} 3');
  await strict.close();
});

test('A06 the address is what the trusted proxy has seen, not what the client says of itself', async () => {
  const behind = await fixture.startRuntime({ FREEHOLD_RUNTIME_CLIENT_IP_HEADER: 'x-forwarded-for' });
  const token = await fixture.token((await tenantWith({ ip_requests_per_minute: 2 })).id);
  const from = (forwarded: string) =>
    call(behind.url, token, { body: { query: 'select 1' }, headers: { 'x-forwarded-for': forwarded } });
  const statuses = [];
  for (const invented of ['1.1.1.1', '2.2.2.2', '3.3.3.3']) {
    statuses.push((await from(`${invented}, 203.0.113.7`)).status);
  }
  expect(statuses).toEqual([200, 200, 429]);
  expect((await from('1.1.1.1, 203.0.113.8')).status).toBe(200);
});

describeWith('redis-server', 'with a store', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.remove());

  test('A06 two processes count together; with the store away each counts for itself and nobody is refused too early', async () => {
    const env = { FREEHOLD_RUNTIME_LIMITS_URL: redis.url };
    const [a, b] = [await fixture.startRuntime(env), await fixture.startRuntime(env)];
    const shared = async (each: RunningRuntime) =>
      (await each.metrics.page()).body.includes('\nfreehold_runtime_limits_shared 1\n');
    await waitUntil(async () => (await shared(a)) && (await shared(b)), { what: 'the store' });
    const token = await fixture.token((await tenantWith({ tenant_requests_per_minute: 6 })).id);
    const statuses = [];
    for (let n = 0; n < 4; n++) {
      for (const each of [a, b]) statuses.push((await ask(token, 'select 1', { url: each.url })).status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 429, 429]);

    await redis.kill();
    const alone = [];
    for (let n = 0; n < 6; n++) alone.push((await ask(token, 'select 1', { url: a.url })).status);
    expect(alone).toEqual([200, 200, 200, 200, 200, 200]);
    expect((await ask(token, 'select 1', { url: a.url })).status).toBe(429);
    expect(await shared(a)).toBe(false);
    await redis.start();
    await waitUntil(() => shared(a), { what: 'the store again' });
    expect((await ask(token, 'select 1', { url: a.url })).status).toBe(200);
    await Promise.all([a.close(), b.close()]);
  });
});
