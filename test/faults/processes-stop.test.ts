// R10: how the two processes end after SIGTERM: every request in flight answered within the grace, nothing new taken, what
// outlasts it cut without an effect, and a second signal that ends at once.
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '../../control-plane/client.ts';
import { openProcessHouse, type ProcessHouse, registerClusters, untilWarm } from '../support/process-house.ts';
import { type ServerProcess, stack } from '../support/processes.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

let house: ProcessHouse;
let client: Client;
let main: ServerProcess;

beforeAll(async () => {
  house = await openProcessHouse({ regions: ['eu'] });
  main = await house.startControlPlane();
  client = house.client(main);
  await registerClusters(house, client);
  await untilWarm(client);
}, 120_000);
afterAll(() => house.close());

describe('R10 the control plane is told to stop', () => {
  test('the request in flight is answered, nothing new is taken, exit code 0', async () => {
    const process = await house.startControlPlane();
    const creating = house
      .client(process)
      .tenants.create({ slug: `stop-${process.pid}`, name: 'Stop', region: 'eu', plan: 'team' }, { waitSec: 20 });
    await waitUntil(
      async () => (await house.inCatalog('select from tenants where slug = $1', [`stop-${process.pid}`])).length === 1,
      {
        what: 'the request in flight',
        intervalMs: 1,
      },
    );
    process.signal('SIGTERM');
    const { tenant } = await creating;
    expect(['active', 'provisioning']).toContain(tenant.state);
    expect(await process.exited).toEqual({ code: 0, signal: null });
    await expect(fetch(`${process.url}/livez`)).rejects.toThrow();
    await waitUntil(async () => (await client.tenants.get(tenant.id)).state === 'active', {
      what: 'the tenant, by the other process',
      timeoutMs: 60_000,
    });
  });

  test('a request that outlasts the grace is cut, and the process ends by force with exit code 1', async () => {
    const process = await house.startControlPlane({ FREEHOLD_SHUTDOWN_GRACE_MS: '1500' });
    const blocked = await blockPlans();
    const change = house.client(process).plans.list();
    const answer = change.next().then(
      () => 'answered',
      () => 'cut',
    );
    await waitUntil(blocked.somebodyWaits, { what: 'the request that waits for the catalog' });
    const startedAtMs = performance.now();
    process.signal('SIGTERM');
    const exit = await process.exited;
    const tookMs = performance.now() - startedAtMs;
    expect(exit).toEqual({ code: 1, signal: null });
    console.log(
      `R10 a request that never ends: the process ended ${Math.round(tookMs)} ms after SIGTERM, grace 1500 ms`,
    );
    expect(await answer).toBe('cut');
    expect(tookMs).toBeGreaterThan(1_400);
    expect(tookMs).toBeLessThan(1_500 + 5_000 + 2_000);
    expect(process.output()).not.toMatch(stack);
    await blocked.release();
  });

  test('a second SIGTERM ends it at once with exit code 1', async () => {
    const process = await house.startControlPlane();
    const blocked = await blockPlans();
    const answer = house
      .client(process)
      .plans.list()
      .next()
      .catch(() => 'cut');
    await waitUntil(blocked.somebodyWaits, { what: 'the request that waits for the catalog' });
    process.signal('SIGTERM');
    await waitUntil(() => process.output().includes('"msg":"stopping"'), { what: 'the first signal taken' });
    const startedAtMs = performance.now();
    process.signal('SIGTERM');
    expect(await process.exited).toEqual({ code: 1, signal: null });
    expect(performance.now() - startedAtMs).toBeLessThan(2_000);
    expect(await answer).toBe('cut');
    await blocked.release();
  });
});

describe('R10 the runtime is told to stop', () => {
  let token: string;
  beforeAll(async () => {
    const { tenant } = await client.tenants.create(
      { slug: 'runtime-stops', name: 'T', region: 'eu', plan: 'team' },
      { waitSec: 30 },
    );
    token = (await client.tenants.mintToken(tenant.id, { scopes: ['sql'], subject: 'r10' })).token;
  });
  const send = (runtime: ServerProcess, query: string) =>
    fetch(`${runtime.url}/v1/sql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, params: [] }),
    });
  const running = async (text: string) =>
    (
      await Promise.all(
        house.tenantServers.map(({ server }) =>
          superuserSql(
            server.address,
            `select from pg_stat_activity where query like $1 and state = 'active' and pid <> pg_backend_pid()`,
            [`%${text}%`],
          ),
        ),
      )
    ).flat().length > 0;

  test('statements in flight are finished and answered, nothing new is taken, exit code 0', async () => {
    const runtime = await house.startRuntime();
    const answers = ['one', 'two', 'three'].map((word) =>
      send(
        runtime,
        `insert into customers (name, email, country) select '${word}', '${word}@stop.example', 'US' from pg_sleep(1.2)`,
      ),
    );
    await waitUntil(() => running('@stop.example'), { what: 'the statements in flight' });
    runtime.signal('SIGTERM');
    await waitUntil(
      async () =>
        await fetch(`${runtime.url}/livez`).then(
          () => false,
          () => true,
        ),
      { what: 'the closed port' },
    );
    for (const answer of await Promise.all(answers)) expect(answer.status, await answer.text()).toBe(200);
    expect(await runtime.exited).toEqual({ code: 0, signal: null });
    const other = await house.startRuntime();
    const counted = await send(other, `select count(*)::int as n from customers where email like '%@stop.example'`);
    expect(await counted.json()).toMatchObject({ rows: [{ n: 3 }] });
    await other.stop();
  });

  test('a statement that outlasts the grace is cut and has no effect; the process ends', async () => {
    const runtime = await house.startRuntime({ FREEHOLD_SHUTDOWN_GRACE_MS: '1000' });
    const answer = send(
      runtime,
      `insert into customers (name, email, country) select 'late', 'late@grace.example', 'US' from pg_sleep(20)`,
    ).then(
      (it) => it.status,
      () => 'cut',
    );
    await waitUntil(() => running('@grace.example'), { what: 'the statement in flight' });
    const startedAtMs = performance.now();
    runtime.signal('SIGTERM');
    const exit = await runtime.exited;
    console.log(
      `R10 a statement of 20 s: the runtime ended ${Math.round(performance.now() - startedAtMs)} ms after SIGTERM, grace 1000 ms`,
    );
    expect(exit).toEqual({ code: 0, signal: null });
    expect(performance.now() - startedAtMs).toBeLessThan(1_000 + 5_000 + 2_000);
    expect(await answer).not.toBe(200);
    await waitUntil(async () => !(await running('@grace.example')), { what: 'the end of the statement on the server' });
    const other = await house.startRuntime();
    const counted = await send(other, `select count(*)::int as n from customers where email = 'late@grace.example'`);
    expect(await counted.json()).toMatchObject({ rows: [{ n: 0 }] });
    await other.stop();
  });
});

test('fsck is clean afterwards', async () => {
  await waitUntil(async () => (await client.fsck()).in_progress.length === 0, {
    what: 'no operation in progress',
    timeoutMs: 30_000,
  });
  expect((await client.fsck()).findings).toEqual([]);
  expect(await main.stop()).toEqual({ code: 0, signal: null });
});

/** Nobody can read the plans until release(). */
async function blockPlans() {
  const locker = new pg.Client(house.catalog);
  await locker.connect();
  await locker.query('begin; lock table plans in access exclusive mode');
  return {
    somebodyWaits: async () =>
      (await house.inCatalog(`select from pg_locks where not granted and relation = 'plans'::regclass`)).length > 0,
    release: () => locker.end(),
  };
}
