// The tenant resource over HTTP: create, wait, read, list, change, move; and what each bad input gets.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../catalog/ids.ts';
import type { ApiProblem, Tenant } from '../../control-plane/client.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

let count = 0;
const newTenant = (more: object = {}) => ({
  slug: `tenant-${++count}`,
  name: 'A tenant',
  region: 'here',
  plan: 'team',
  ...more,
});
const create = (body: unknown, headers: Record<string, string> = {}) =>
  plane.request('POST', '/v1/tenants', {
    as: 'operator',
    body,
    headers: { 'idempotency-key': `key-${++count}`, ...headers },
  });
const readyTenant = async (more: object = {}): Promise<Tenant> => {
  const { tenant, done } = await plane.client('operator').tenants.create(newTenant(more), { waitSec: 30 });
  expect(done).toBe(true);
  return tenant;
};
const problemOf = async (call: Promise<unknown>) =>
  await call.then(
    () => expect.fail('a problem was expected'),
    (error: ApiProblem) => error,
  );

describe('creating', () => {
  test('202 with the operation, which ends with an active tenant', async () => {
    const answer = await create(newTenant());
    expect(answer.status).toBe(202);
    const { tenant, operation } = (await answer.json()) as { tenant: { id: string }; operation: { id: string } };
    expect(answer.headers.get('location')).toBe(`/v1/operations/${operation.id}`);
    expect(answer.headers.get('retry-after')).toBe('1');
    const client = plane.client('viewer');
    const ended = await client.operations.wait(operation.id);
    expect(ended.state, JSON.stringify(ended.error)).toBe('succeeded');
    expect(ended.steps_done).toBe(ended.steps_total);
    const ready = await client.tenants.get(tenant.id);
    expect(ready.state).toBe('active');
    expect(ready.database?.lanes).toHaveProperty('core');
    expect(await client.tenants.get(ready.slug)).toEqual(ready);
  });

  test('Prefer: wait answers 201 with the ready tenant', async () => {
    const answer = await create(newTenant({ labels: { team: 'blue' } }), { prefer: 'respond-async, wait=20' });
    const { tenant } = (await answer.json()) as { tenant: { id: string; state: string } };
    expect(answer.status).toBe(201);
    expect(answer.headers.get('preference-applied')).toBe('wait=20');
    expect(answer.headers.get('location')).toBe(`/v1/tenants/${tenant.id}`);
    expect(tenant.state).toBe('active');
  });

  test('Prefer: wait that is not enough answers 202 when the time is over, and the work goes on', async () => {
    plane.hold();
    const startedMs = performance.now();
    const answer = await create(newTenant(), { prefer: 'wait=1' });
    expect(answer.status).toBe(202);
    expect(answer.headers.get('preference-applied')).toBeNull();
    expect(performance.now() - startedMs).toBeGreaterThan(900);
    plane.letGo();
    const { operation } = (await answer.json()) as { operation: { id: string } };
    expect((await plane.client('viewer').operations.wait(operation.id)).state).toBe('succeeded');
  });
});

describe('bad input gets a stable code', () => {
  const bad: [what: string, code: string, status: number, change: Record<string, unknown>][] = [
    ['an unknown field', 'invalid_body', 400, { colour: 'red' }],
    ['a missing name', 'invalid_body', 400, { name: undefined }],
    ['a zero byte in a name', 'invalid_body', 400, { name: 'a\0b' }],
    ['a name that turns the text round', 'invalid_body', 400, { name: 'abc\u202Edef' }],
    ['a label with a strange name', 'invalid_body', 400, { labels: { 'A b': 'x' } }],
    ['an unknown region', 'unknown_region', 400, { region: 'atlantis' }],
    ['a tier nobody has', 'no_capacity', 503, { tier: 'dedicated' }],
    ['an unknown plan', 'plan_not_found', 404, { plan: 'nothing' }],
  ];
  test.each(bad)('%s: %s', async (_what, code, status, change) => {
    const answer = await create(newTenant(change));
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    const problem = await answer.json();
    expect(problem).toMatchObject({ code, status, type: `/docs/errors#${code}`, detail: expect.stringMatching(/\.$/) });
    expect(answer.status).toBe(status);
  });

  test('an unknown field is named by a JSON pointer', async () => {
    const problem = (await (await create(newTenant({ colour: 'red' }))).json()) as { errors: unknown };
    expect(problem.errors).toEqual([{ pointer: '/colour', message: 'is not a known member' }]);
  });

  test('an unknown region lists the known ones', async () => {
    expect(await (await create(newTenant({ region: 'atlantis' }))).json()).toMatchObject({ regions: ['here'] });
  });

  test('no body, text instead of JSON, a member twice, no JSON type', async () => {
    const codes = [];
    for (const [body, type] of [
      ['', 'application/json'],
      ['{', 'application/json'],
      ['{"a":1,"a":2}', 'application/json'],
      ['{}', 'text/plain'],
    ]) {
      const answer = await create(body as string, { 'content-type': type as string });
      codes.push(((await answer.json()) as { code: string }).code);
    }
    expect(codes).toEqual(['invalid_body', 'invalid_json', 'invalid_json', 'unsupported_media_type']);
  });

  test('no Idempotency-Key, and one that cannot be printed', async () => {
    const without = await plane.request('POST', '/v1/tenants', { as: 'sales', body: newTenant() });
    expect(await without.json()).toMatchObject({ code: 'idempotency_key_required', status: 400 });
    const long = await create(newTenant(), { 'idempotency-key': 'x'.repeat(256) });
    expect(await long.json()).toMatchObject({ code: 'invalid_header', status: 400 });
  });

  test('a slug that is taken', async () => {
    const tenant = await readyTenant();
    const answer = await create(newTenant({ slug: tenant.slug }));
    expect(await answer.json()).toMatchObject({ code: 'slug_taken', status: 409 });
  });

  test('an exhausted plan, by creating and by changing', async () => {
    const owner = plane.client('owner');
    await owner.plans.create({ id: 'single', title: 'One tenant', limits: {}, tenants_max: 1 });
    await readyTenant({ plan: 'single' });
    expect(await (await create(newTenant({ plan: 'single' }))).json()).toMatchObject({
      code: 'plan_exhausted',
      status: 409,
    });
    const other = await readyTenant();
    const problem = await problemOf(owner.tenants.update(other.id, { plan: 'single' }, { version: other.version }));
    expect(problem).toMatchObject({ code: 'plan_exhausted', status: 409 });
  });

  test('full clusters', async () => {
    const owner = plane.client('owner');
    const clusters = [];
    for await (const cluster of owner.clusters.list()) clusters.push(cluster);
    for (const cluster of clusters)
      await owner.clusters.update(cluster.id, { capacity: 0 }, { version: cluster.version });
    const answer = await create(newTenant());
    expect(answer.headers.get('retry-after')).toBe('30');
    expect(await answer.json()).toMatchObject({ code: 'no_capacity', status: 503 });
    for (const cluster of clusters)
      await owner.clusters.update(cluster.id, { capacity: 50 }, { version: cluster.version + 1 });
  });

  test('nothing half-made stays behind', async () => {
    const { db } = plane.installation.catalog;
    const stray = await db
      .selectFrom('tenants as t')
      .leftJoin('operations as o', 'o.tenant_id', 't.id')
      .select('t.slug')
      .where('o.id', 'is', null)
      .execute();
    expect(stray).toEqual([]);
    const unfinished = await db
      .selectFrom('tenants')
      .select(['slug', 'state'])
      .where('state', '<>', 'active')
      .execute();
    expect(unfinished).toEqual([]);
    const report = await plane.client('dba').fsck();
    expect(report.findings).toEqual([]);
    expect(report.clean).toBe(true);
  });
});

describe('P04 Idempotency-Key over HTTP', () => {
  test('P04 50 at once: one tenant, the same ids in every answer', async () => {
    const body = newTenant();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => create(body, { 'idempotency-key': 'p04-parallel' })),
    );
    const good = answers.filter((answer) => answer.status === 202 || answer.status === 201);
    const bodies = (await Promise.all(good.map((answer) => answer.json()))) as {
      tenant: { id: string };
      operation: { id: string };
    }[];
    expect(new Set(bodies.map(({ tenant, operation }) => `${tenant.id} ${operation.id}`)).size).toBe(1);
    expect(good.filter((answer) => answer.headers.get('idempotent-replayed') === null)).toHaveLength(1);
    // Whoever waited too long for the first is told to repeat, never given a second tenant.
    for (const answer of answers.filter((each) => !good.includes(each))) {
      expect(await answer.json()).toMatchObject({ code: 'idempotency_in_flight', status: 409 });
    }
    const again = await create(body, { 'idempotency-key': 'p04-parallel', prefer: 'wait=30' });
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(again.status).toBe(201);
  });

  test('P04 the order of members makes no difference, another body does', async () => {
    const body = newTenant();
    const headers = { 'idempotency-key': 'p04-body' };
    const first = (await (await create(body, headers)).json()) as { tenant: { id: string } };
    const turned = Object.fromEntries(Object.entries({ ...body, tier: 'shared' }).reverse());
    expect(await (await create(turned, headers)).json()).toMatchObject({ tenant: { id: first.tenant.id } });
    const other = await create({ ...body, name: 'Another name' }, headers);
    expect(await other.json()).toMatchObject({ code: 'idempotency_key_reused', status: 422 });
  });

  test('P04 the key of another principal is another key', async () => {
    const headers = { 'idempotency-key': 'p04-principal' };
    const mine = await create(newTenant(), headers);
    const theirs = await plane.request('POST', '/v1/tenants', { as: 'sales', body: newTenant(), headers });
    expect([mine.status, theirs.status]).toEqual([202, 202]);
    expect(theirs.headers.get('idempotent-replayed')).toBeNull();
  });

  test('P04 after 25 hours the key is forgotten, and the slug still protects', async () => {
    const body = newTenant();
    const headers = { 'idempotency-key': 'p04-old' };
    await create(body, headers);
    const past = new Date(Date.now() - 3_600_000);
    await plane.installation.catalog.db
      .updateTable('idempotency_keys')
      .set({ expires_at: past })
      .where('key', '=', 'p04-old')
      .execute();
    expect(await (await create(body, headers)).json()).toMatchObject({ code: 'slug_taken' });
  });
});

describe('reading', () => {
  test('an unknown id, an unknown slug and a purged tenant get the same answer but for the request id', async () => {
    const tenant = await readyTenant();
    const owner = plane.client('owner');
    await owner.tenants.delete(tenant.id, { waitSec: 30 });
    await owner.tenants.purge(tenant.id, { waitSec: 30 });
    const answers = [];
    for (const path of [newId('tenant'), newId('tenant'), 'no-such-tenant', tenant.slug]) {
      const answer = await plane.request('GET', `/v1/tenants/${path}`, { as: 'viewer' });
      const { request_id, ...problem } = (await answer.json()) as { request_id: string };
      expect(request_id).toBe(answer.headers.get('x-request-id'));
      answers.push({ status: answer.status, problem });
    }
    expect(answers[0]).toMatchObject({ status: 404, problem: { code: 'tenant_not_found' } });
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(await owner.tenants.get(tenant.id)).toMatchObject({ state: 'purged', database: null });
  });

  test('pages are stable while tenants are made: nothing twice, nothing left out', async () => {
    const made: string[] = [];
    for (let i = 0; i < 5; i++) made.push((await readyTenant({ labels: { walk: 'yes' } })).id);
    const viewer = plane.client('viewer');
    const first = await viewer.tenants.page({ label: 'walk:yes', limit: 2 });
    expect(first).toMatchObject({ has_more: true, next_cursor: expect.any(String) });
    await readyTenant({ labels: { walk: 'yes' } });
    const rest: Tenant[] = [];
    for (let cursor = first.next_cursor; cursor !== null; ) {
      const page = await viewer.tenants.page({ label: 'walk:yes', limit: 2, cursor });
      rest.push(...page.data);
      cursor = page.next_cursor;
    }
    expect([...first.data, ...rest].map((tenant) => tenant.id)).toEqual(made.reverse());
  });

  test('filters, the Link header, and parameters nobody knows', async () => {
    const viewer = plane.client('viewer');
    const tenant = await readyTenant({ labels: { team: 'green', stage: 'trial' } });
    expect((await viewer.tenants.page({ label: ['team:green', 'stage:trial'] })).data.map(({ id }) => id)).toEqual([
      tenant.id,
    ]);
    expect(
      (await viewer.tenants.page({ slug: tenant.slug, state: 'active', region: 'here', plan: 'team' })).data,
    ).toHaveLength(1);
    const answer = await plane.request('GET', '/v1/tenants?limit=1&region=here', { as: 'viewer' });
    const next = /^<(\/v1\/tenants\?.*cursor=.*)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1] as string;
    expect((await plane.request('GET', next, { as: 'viewer' })).status).toBe(200);
    for (const query of [
      'colour=red',
      'limit=0',
      'limit=201',
      'limit=1e2',
      'state=happy',
      'limit=1&limit=2',
      'label=x',
      'slug=%00',
    ]) {
      const refused = await plane.request('GET', `/v1/tenants?${query}`, { as: 'viewer' });
      expect(await refused.json(), query).toMatchObject({ code: 'invalid_query', status: 400 });
    }
  });
});

describe('changing', () => {
  test('name, labels and plan, with the ETag of the last read', async () => {
    const sales = plane.client('sales');
    const tenant = await readyTenant();
    const changed = await sales.tenants.update(
      tenant.id,
      { name: 'Ünïcode & Söhne 👩‍👩‍👧', labels: { tier: 'gold' }, plan: 'enterprise' },
      { version: tenant.version },
    );
    expect(changed).toMatchObject({
      name: 'Ünïcode & Söhne 👩‍👩‍👧',
      labels: { tier: 'gold' },
      plan: 'enterprise',
      version: tenant.version + 1,
    });
    const answer = await plane.request('GET', `/v1/tenants/${tenant.id}`, { as: 'viewer' });
    expect(answer.headers.get('etag')).toBe(`"${changed.version}"`);
  });

  test('a stale ETag is 412, none is 428, nonsense is 400', async () => {
    const tenant = await readyTenant();
    const patch = (headers: Record<string, string>) =>
      plane.request('PATCH', `/v1/tenants/${tenant.id}`, { as: 'sales', body: { name: 'New' }, headers });
    expect(await (await patch({ 'if-match': '"1"' })).json()).toMatchObject({ code: 'stale_version', status: 412 });
    expect(await (await patch({})).json()).toMatchObject({ code: 'if_match_required', status: 428 });
    for (const etag of ['*', 'W/"3"', '3', '"3", "4"']) {
      expect(await (await patch({ 'if-match': etag })).json(), etag).toMatchObject({
        code: 'invalid_header',
        status: 400,
      });
    }
    expect((await plane.client('viewer').tenants.get(tenant.id)).name).toBe('A tenant');
  });

  test('two at once on one ETag: one wins', async () => {
    const tenant = await readyTenant();
    const sales = plane.client('sales');
    const both = await Promise.allSettled(
      ['One', 'Two'].map((name) => sales.tenants.update(tenant.id, { name }, { version: tenant.version })),
    );
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});

describe('moves', () => {
  test('suspend, resume, delete, undelete, delete, purge; each answers when it is done', async () => {
    const owner = plane.client('owner');
    const { id } = await readyTenant();
    const states = [];
    for (const move of ['suspend', 'resume', 'delete', 'undelete', 'delete', 'purge'] as const) {
      const { tenant, done } = await owner.tenants[move](id, { waitSec: 30 });
      states.push(`${move} ${tenant.state} ${done}`);
    }
    expect(states).toEqual([
      'suspend suspended true',
      'resume active true',
      'delete deleted true',
      'undelete active true',
      'delete deleted true',
      'purge purged true',
    ]);
  });

  test('the wrong state says what is possible instead', async () => {
    const { id } = await readyTenant();
    const problem = await problemOf(plane.client('operator').tenants.resume(id));
    expect(problem).toMatchObject({
      code: 'wrong_state',
      status: 409,
      extra: { state: 'active', possible: ['suspend', 'delete'] },
    });
  });

  test('a second operation meanwhile is 423 with the id of the first; a stale If-Match stops a deletion', async () => {
    const { id, version } = await readyTenant();
    const operator = plane.client('operator');
    expect(await problemOf(operator.tenants.delete(id, { version: version - 1 }))).toMatchObject({
      code: 'stale_version',
      status: 412,
    });
    plane.hold();
    const { operation } = await operator.tenants.suspend(id);
    const problem = await problemOf(operator.tenants.delete(id));
    expect(problem).toMatchObject({
      code: 'operation_in_progress',
      status: 423,
      extra: { operation_id: operation.id },
      retryAfterMs: 1_000,
    });
    plane.letGo();
    expect((await operator.operations.wait(operation.id)).state).toBe('succeeded');
  });
});
