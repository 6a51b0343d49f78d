// S02 at every door: whatever ends a request early (its client, the deadline of the server, the limit of the plan) ends its
// statement in PostgreSQL and gives its session back; and an answer that nobody takes holds no session.
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { planLimitsSchema } from '../../catalog/plan-limits.ts';
import { createRuntimeFixture, type RunningRuntime, type RuntimeFixture, type TestTenant } from '../support/runtime.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import {
  addDoorFunctions,
  doorNames,
  doorsOf,
  everyScope,
  type Knock,
  knockAt,
  type Product,
  startProduct,
  type TenantDoor,
  type TenantDoors,
} from '../support/tenant-doors.ts';
import { waitUntil } from '../support/wait-until.ts';

let fixture: RuntimeFixture;
let runtimes: RunningRuntime[];
let products: Product[];
let patient: TenantDoors;
/** Of a runtime whose deadline is near. */
let hurried: TenantDoors;
let tenant: TestTenant;
let token: string;

beforeAll(async () => {
  fixture = await createRuntimeFixture();
  const near = { FREEHOLD_RUNTIME_DEADLINE_MS: '700' };
  runtimes = await Promise.all([fixture.startRuntime(), fixture.startRuntime(near)]);
  products = await Promise.all([startProduct(fixture), startProduct(fixture, near)]);
  [patient, hurried] = [0, 1].map((n) => doorsOf(runtimes[n] as RunningRuntime, products[n] as Product)) as [
    TenantDoors,
    TenantDoors,
  ];
  tenant = await served('patient', { runtime_sessions_max: 1, statement_timeout_ms: 60_000 });
  token = await fixture.token(tenant.id, { scope: everyScope });
  // What is built at the first request of a door is not what is waited for below.
  for (const doors of [patient, hurried])
    for (const name of doorNames)
      await waitUntil(async () => (await knockAt(doors[name], token)).status === 200, { what: `${name} to be warm` });
}, 90_000);
afterAll(async () => {
  await Promise.all((products ?? []).map((product) => product.close()));
  await fixture?.close();
});

async function served(plan: string, limits: object): Promise<TestTenant> {
  const all = planLimitsSchema.parse({ sql_api: true, ...limits });
  await fixture.house.catalog.db
    .insertInto('plans')
    .values({ id: plan, title: plan, limits: JSON.stringify(all) })
    .execute();
  const made = await fixture.addTenant(plan);
  await addDoorFunctions(made);
  return made;
}

const activeIn = async ({ address }: TestTenant) =>
  (
    await superuserSql(
      { ...address, database: 'postgres' },
      `select 1 from pg_stat_activity where datname = $1 and (state = 'active' or state like 'idle in transaction%')`,
      [address.database],
    )
  ).length;

/** No statement and no transaction in the server, no session at work here, and the only session there may be serves the next one. */
async function expectFree(door: TenantDoor, of: TestTenant = tenant, with_ = token): Promise<void> {
  await waitUntil(async () => (await activeIn(of)) === 0, { what: 'the statement to end in the server' });
  await waitUntil(async () => (await door.leased()) === 0, { what: 'the session to be given back' });
  expect(await knockAt(door, with_)).toMatchObject({ status: 200 });
}

describe.each(doorNames)('at the door %s', (name) => {
  test('S02 a client that leaves while its statement runs', async () => {
    const door = patient[name];
    const leaving = new AbortController();
    const left = knockAt(door, token, door.slow, { signal: leaving.signal }).catch((error: Error) => error.name);
    await waitUntil(async () => (await activeIn(tenant)) === 1, { what: 'the statement to run' });
    leaving.abort();
    expect(await left).toBe('AbortError');
    await expectFree(door);
  });

  test('S02 a client that leaves before its statement is sent, while it waits for the only session', async () => {
    const door = patient[name];
    const [holding, leaving] = [new AbortController(), new AbortController()];
    const holder = knockAt(door, token, door.slow, { signal: holding.signal }).catch((error: Error) => error.name);
    await waitUntil(async () => (await activeIn(tenant)) === 1, { what: 'the statement to run' });
    const left = knockAt(door, token, door.slow, { signal: leaving.signal }).catch((error: Error) => error.name);
    leaving.abort();
    expect(await left).toBe('AbortError');
    expect(await activeIn(tenant)).toBe(1);
    holding.abort();
    expect(await holder).toBe('AbortError');
    await expectFree(door);
  });

  test('S02 the deadline of the server', async () => {
    const door = hurried[name];
    expect(await knockAt(door, token, door.slow)).toMatchObject({
      status: 504,
      body: { code: 'deadline_exceeded' },
    });
    await expectFree(door);
  });

  test('S02 the limit of the plan for a statement', async () => {
    const short = await served(`short-${name}`, { statement_timeout_ms: 400 });
    const own = await fixture.token(short.id, { scope: everyScope });
    const door = patient[name];
    const { status, body } = await knockAt(door, own, door.slow);
    // A failed field of GraphQL is told beside the others. A product answers for its statements itself.
    expect(status).toBe({ sql: 400, rest: 400, graphql: 200, product: 500 }[name]);
    if (name !== 'product') expect(JSON.stringify(body)).toContain('57014');
    await expectFree(door, short, own);
  });

  test('S02 a client that leaves while a large answer is sent, and one that takes nothing of it', async () => {
    const door = patient[name];
    // The data APIs have the whole answer before they send any of it; a product that streams reads while it sends.
    const streams = name === 'product';
    const reader = await takeLittle(door, door.large);
    if (!streams) await expectFree(door);
    reader.destroy();
    await expectFree(door);
    const whole = await knockAt(door, token, door.large);
    expect(whole.status).toBe(200);
    expect(JSON.stringify(whole.body).length).toBeGreaterThan(8_900_000);
  });
});

/** A connection that has seen the beginning of the answer and reads no further: nine million bytes fit no buffer in between. */
async function takeLittle(door: TenantDoor, { path, body }: Knock): Promise<net.Socket> {
  const { hostname, port, host } = new URL(door.url);
  const socket = net.connect(Number(port), hostname);
  socket.on('error', () => {});
  const payload = body === undefined ? '' : JSON.stringify(body);
  const lines = [
    `${body === undefined ? 'GET' : 'POST'} ${path} HTTP/1.1`,
    `host: ${host}`,
    `authorization: Bearer ${token}`,
    'content-type: application/json',
    ...(body === undefined ? [] : [`content-length: ${Buffer.byteLength(payload)}`]),
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n${payload}`);
  const head = await new Promise<string>((resolve, reject) => {
    socket.once('data', (chunk) => {
      socket.pause();
      resolve(chunk.toString('latin1').slice(0, 60));
    });
    socket.once('close', () => reject(new Error('no answer')));
  });
  expect(head).toContain(' 200 ');
  return socket;
}
