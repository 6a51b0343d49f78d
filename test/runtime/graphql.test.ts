// POST /v1/graphql: the tenant's own schema and data, reads and writes, in one transaction that knows the claims.
import { buildClientSchema, getIntrospectionQuery, type IntrospectionQuery, validateSchema } from 'grafast/graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { namesOf } from '../../catalog/names.ts';
import type { Session } from '../../platform/postgres/session.ts';
import { createGraphqlApi } from '../../tenant-runtime/graphql/create-graphql-api.ts';
import type { TenantPools } from '../../tenant-runtime/tenant-pools.ts';
import { type Ask, asker, askGraphql, type GraphqlAnswer, type GraphqlError } from '../support/graphql.ts';
import { testLog } from '../support/installation.ts';
import { createRuntimeFixture, type RunningRuntime, type RuntimeFixture, type TestTenant } from '../support/runtime.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

let fixture: RuntimeFixture;
let runtime: RunningRuntime;
let a: TestTenant;
let b: TestTenant;
let ask: Ask;
let askB: Ask;

beforeAll(async () => {
  fixture = await createRuntimeFixture();
  [a, b] = [await fixture.addTenant(), await fixture.addTenant()];
  runtime = await fixture.startRuntime();
  ask = await asker(fixture, runtime.url, a);
  askB = await asker(fixture, runtime.url, b);
}, 60_000);
afterAll(() => fixture.close());

/** As the owner of the database, as a migration would. */
const alter = (tenant: TestTenant, sql: string) =>
  superuserSql(tenant.address, `set role ${namesOf(tenant.databaseId).owner}; ${sql}`);

const newCustomer = `mutation ($name: String!, $email: String!) {
  createCustomer(input: { customer: { name: $name, email: $email, country: "GB" } }) { customer { id nodeId name } }
}`;

const customerOf = ({ data }: GraphqlAnswer) => {
  const { createCustomer } = data as { createCustomer: { customer: { id: string; nodeId: string } } };
  return createCustomer.customer;
};

test('rows are made, read across relations, changed and removed', async () => {
  const made = await ask(newCustomer, { name: 'Ada', email: 'ada@example.com' });
  expect(made.body).toMatchObject({ data: { createCustomer: { customer: { id: expect.any(String), name: 'Ada' } } } });
  const { id, nodeId } = customerOf(made);
  const project = await ask(
    `mutation ($id: BigInt!) { createProject(input: { project: { customerId: $id, code: "ENGINE", name: "Engine" } }) {
      project { name customerByCustomerId { name } } } }`,
    { id },
  );
  expect(project.data).toEqual({
    createProject: { project: { name: 'Engine', customerByCustomerId: { name: 'Ada' } } },
  });
  const read = await ask(
    `query ($n: Int) { allCustomers(first: $n, orderBy: [ID_DESC]) {
      totalCount pageInfo { hasNextPage } nodes { name createdAt projectsByCustomerId(first: 5) { nodes { code startsOn budgetCents } } } } }`,
    { n: 10 },
  );
  expect(read.errors).toBe(undefined);
  expect(read.data).toMatchObject({
    allCustomers: {
      totalCount: 1,
      pageInfo: { hasNextPage: false },
      nodes: [{ name: 'Ada', projectsByCustomerId: { nodes: [{ code: 'ENGINE', budgetCents: null }] } }],
    },
  });
  const changed = await ask(
    'mutation ($n: ID!) { updateCustomer(input: { nodeId: $n, customerPatch: { name: "Ada L." } }) { customer { name } } }',
    { n: nodeId },
  );
  expect(changed.data).toEqual({ updateCustomer: { customer: { name: 'Ada L.' } } });
  const removed = await ask(
    'mutation { deleteProjectByCode(input: { code: "ENGINE" }) { deletedProjectNodeId project { name } } }',
  );
  expect(removed.data).toMatchObject({ deleteProjectByCode: { project: { name: 'Engine' } } });
  expect((await ask('{ allProjects { totalCount } }')).data).toEqual({ allProjects: { totalCount: 0 } });
});

test('the schema is a valid one by the reference implementation, and names nothing of ours', async () => {
  const answer = await ask(getIntrospectionQuery());
  expect(answer.errors).toBe(undefined);
  const schema = buildClientSchema(answer.data as unknown as IntrospectionQuery);
  expect(validateSchema(schema)).toEqual([]);
  expect(Object.keys(schema.getQueryType()?.getFields() ?? {})).toEqual(
    expect.arrayContaining(['allCustomers', 'customerById', 'customer', 'allProjectProgresses']),
  );
  expect(JSON.stringify(answer.body)).not.toMatch(/pgmigrations|freehold|identity|ledger|t_01|_app_|_own\b/i);
});

test('N02 a reader sees a schema without mutations, and can write by no way', async () => {
  const read = await asker(fixture, runtime.url, a, { scope: 'graphql:read' });
  const { data } = await read('{ __schema { mutationType { name } queryType { name } } allCustomers { totalCount } }');
  expect(data).toMatchObject({ __schema: { mutationType: null }, allCustomers: { totalCount: 1 } });
  const refused = await read(newCustomer, { name: 'Eve', email: 'eve@example.com' });
  expect(refused).toMatchObject({ status: 403, errors: [{ extensions: { code: 'graphql_read_only' } }] });
  // A function that is called stable and is not: the login and the transaction refuse what the schema let through.
  await alter(
    a,
    `create function sly() returns integer language plpgsql stable as $$ begin execute 'insert into customers (name, email, country) values (''x'', ''x@y.z'', ''GB'')'; return 1; end $$`,
  );
  await waitUntil(async () => (await read('{ sly }')).status === 200, { what: 'a schema that knows the function' });
  const failed = await read('{ sly }');
  expect(failed.errors?.[0]?.extensions).toMatchObject({ code: 'graphql_statement_failed' });
  await alter(a, 'drop function sly()');
  expect((await ask('{ allCustomers { totalCount } }')).data).toEqual({ allCustomers: { totalCount: 1 } });
});

test('a token without the scope, or of no kind at all, gets the same problem document as everywhere', async () => {
  const query = { query: '{ __typename }' };
  const sqlOnly = await fixture.token(a.id, { scope: 'sql rest' });
  expect(await askGraphql(runtime.url, sqlOnly, query)).toMatchObject({ status: 403, code: 'scope_missing' });
  expect(await askGraphql(runtime.url, undefined, query)).toMatchObject({ status: 401, code: 'unauthenticated' });
  expect(await askGraphql(runtime.url, 'nonsense', query)).toMatchObject({ status: 401, code: 'token_invalid' });
});

test('J10 whatever a request names beside its token, the rows are those of the token', async () => {
  const canaries = '{ allCanaries { nodes { tenantUid } } }';
  for (const headers of [{ 'x-tenant-id': b.id }, { host: `${b.id}.example` }, { 'x-forwarded-host': b.id }]) {
    const { data } = await ask(canaries, undefined, { headers });
    expect(data).toEqual({ allCanaries: { nodes: [{ tenantUid: a.canary }] } });
  }
  expect((await askB(canaries)).data).toEqual({ allCanaries: { nodes: [{ tenantUid: b.canary }] } });
  // Global ids hold no tenant: that of a row of B is at A the row of A with this key, or none.
  const made = await askB(newCustomer, { name: 'Of B', email: 'b@example.com' });
  const { nodeId } = customerOf(made);
  const seen = await ask('query ($n: ID!) { customer(nodeId: $n) { name } node(nodeId: $n) { __typename } }', {
    n: nodeId,
  });
  expect(JSON.stringify(seen.body)).not.toContain('Of B');
  const unknown = await fixture.token('tnt_01M00000000000000000000000' as never, { scope: 'graphql' });
  expect(await askGraphql(runtime.url, unknown, { query: canaries })).toMatchObject({
    status: 403,
    code: 'tenant_not_served',
  });
});

test("A03 a cursor of another tenant, or one that is none, tells nothing and is a clear error or a page of one's own", async () => {
  const page = 'query ($after: Cursor) { allCustomers(first: 1, after: $after) { nodes { name } edges { cursor } } }';
  for (const name of ['Page One', 'Page Two']) {
    await askB(newCustomer, { name, email: `${name.replace(' ', '.')}@example.com` });
  }
  const ofB = await askB(page);
  const [edge] = (ofB.data as { allCustomers: { edges: { cursor: string }[] } }).allCustomers.edges;
  const here = await ask(page, { after: edge?.cursor });
  expect(here.status).toBe(200);
  expect(JSON.stringify(here.body)).not.toMatch(/Page (One|Two)|Of B/);
  const wrong = [
    'x',
    '%%%',
    Buffer.from('["other",1]').toString('base64'),
    Buffer.from('{').toString('base64'),
    'A'.repeat(5_000),
  ];
  for (const after of wrong) {
    const { status, errors, data } = await ask(page, { after });
    expect([status, data, errors?.[0]?.extensions.code], after.slice(0, 20)).toEqual([
      200,
      { allCustomers: null },
      'graphql_cursor_invalid',
    ]);
    expect(errors?.[0]?.message).toMatch(/^The cursor is not one of this list/);
  }
  await alter(b, `delete from customers where name like 'Page %'`);
});

test('a query may be asked for by GET, a mutation may not', async () => {
  const token = await fixture.token(a.id, { scope: 'graphql' });
  const get = async (params: Record<string, string>, more = '') =>
    fetch(`${runtime.url}/v1/graphql?${new URLSearchParams(params)}${more}`, {
      headers: { authorization: `Bearer ${token}` },
    });
  const query = 'query One($n: Int) { allCanaries(first: $n) { nodes { tenantUid } } } query Two { __typename }';
  const answer = await get({ query, operationName: 'One', variables: '{"n":1}' });
  expect([answer.status, await answer.json()]).toEqual([
    200,
    { data: { allCanaries: { nodes: [{ tenantUid: a.canary }] } } },
  ]);
  const mutation = await get({
    query:
      'mutation { createCustomer(input: { customer: { name: "By GET", email: "g@e.t", country: "GB" } }) { customer { id } } }',
  });
  expect([mutation.status, mutation.headers.get('allow')]).toEqual([405, 'POST']);
  expect(await mutation.json()).toMatchObject({ errors: [{ extensions: { code: 'graphql_query_only' } }] });
  expect((await ask('{ allCustomers { nodes { name } } }')).body).not.toMatchObject({
    data: { allCustomers: { nodes: expect.arrayContaining([{ name: 'By GET' }]) as unknown } },
  });
  for (const [params, more] of [
    [{}, ''],
    [{ query: '{' }, ''],
    [{ query, variables: '{' }, ''],
    [{ query, variables: '[1]' }, ''],
    [{ query: '{__typename}' }, '&query=x'],
  ] as const) {
    const refused = await get(params, more);
    expect([refused.status, ((await refused.json()) as { errors: GraphqlError[] }).errors[0]?.extensions.code]).toEqual(
      [400, expect.stringMatching(/^graphql_(request|document)_invalid$/)],
    );
  }
  expect((await fetch(`${runtime.url}/v1/graphql?query={__typename}`)).status).toBe(401);
});

test('a mutation is whole or it is not: where one field fails, nothing of the request is kept', async () => {
  const { body, status } = await ask(`mutation {
    first: createCustomer(input: { customer: { name: "One", email: "one@example.com", country: "GB" } }) { customer { id } }
    second: createCustomer(input: { customer: { name: "Two", email: "nonsense", country: "GB" } }) { customer { id } }
    third: createCustomer(input: { customer: { name: "Three", email: "three@example.com", country: "GB" } }) { customer { id } }
  }`);
  expect(status).toBe(200);
  expect(body).toMatchObject({
    data: null,
    errors: [
      { path: ['second'], extensions: { code: 'graphql_statement_failed', sqlstate: '23514', table: 'customers' } },
    ],
  });
  expect(body.errors).toHaveLength(1);
  expect(JSON.stringify(body)).not.toMatch(/insert into|select |stack|node_modules|127\.0\.0\.1|t_01/i);
  expect((await ask('{ allCustomers { nodes { name } } }')).data).toEqual({
    allCustomers: { nodes: [{ name: 'Ada L.' }] },
  });
});

test('policies in the database read the claims of the token', async () => {
  await alter(
    a,
    `create table notes (id bigint generated always as identity primary key, owner text not null default current_setting('request.jwt.claims', true)::json->>'sub', body text not null);
     alter table notes enable row level security;
     create policy own on notes using (owner = current_setting('request.jwt.claims', true)::json->>'sub')`,
  );
  const [ada, bob] = [
    await asker(fixture, runtime.url, a, { sub: 'ada' }),
    await asker(fixture, runtime.url, a, { sub: 'bob', scope: 'graphql' }),
  ];
  const write = 'mutation { createNote(input: { note: { body: "mine" } }) { note { owner body } } }';
  await waitUntil(async () => (await ada('{ allNotes { totalCount } }')).status === 200, { what: 'the new table' });
  expect((await ada(write)).data).toEqual({ createNote: { note: { owner: 'ada', body: 'mine' } } });
  expect((await bob('{ allNotes { totalCount nodes { body } } }')).data).toEqual({
    allNotes: { totalCount: 0, nodes: [] },
  });
  const forged = await bob('mutation { createNote(input: { note: { body: "x", owner: "ada" } }) { note { id } } }');
  expect(forged.errors?.[0]?.extensions).toMatchObject({ sqlstate: '42501' });
  // What was made by hand in the database of A is nobody else's to see.
  expect(JSON.stringify((await askB('{ __schema { types { name } } }')).body)).not.toContain('Note');
  await alter(a, 'drop table notes');
});

test('relations of many rows cost one statement each, however many rows there are (no N + 1)', async () => {
  await superuserSql(
    b.address,
    `insert into customers (name, email, country) select 'c' || i, 'c' || i || '@example.com', 'DE' from generate_series(1, 30) i;
     insert into projects (customer_id, code, name) select c.id, 'P' || translate(upper(c.name), '0123456789', 'ABCDEFGHIJ'), 'x' from customers c where c.country = 'DE'`,
  );
  let statements = 0;
  const counting: TenantPools = {
    ...runtime.pools,
    use: (route, access, fn, signal) =>
      runtime.pools.use(
        route,
        access,
        (session, now) => {
          const counted = new Proxy(session, {
            get: (target, name) => {
              if (name === 'queryRaw') statements++;
              const value: unknown = Reflect.get(target, name, target);
              return typeof value === 'function' ? value.bind(target) : value;
            },
          });
          return fn(counted as Session, now);
        },
        signal,
      ),
  };
  const deps = { pools: counting, reload: runtime.routes.reload, log: testLog() };
  const limits = { depthMax: 12, costMax: 1_000_000, introspection: true, schemasMax: 5 };
  const api = createGraphqlApi(deps, { ...limits, stored: new Map(), storedOnly: false });
  const route = (await runtime.routes.find(b.id)) as never;
  const tenant = { route, claims: {} as never, claimsJson: '{}' };
  const body = {
    query:
      '{ allCustomers(first: 50) { nodes { name projectsByCustomerId(first: 5) { nodes { code tasksByProjectId { nodes { title } } customerByCustomerId { name } } } } } }',
  };
  const answer = () => api.answer(tenant, { access: 'app', settings: {} }, body, AbortSignal.timeout(10_000));
  await answer();
  statements = 0;
  const { json } = await answer();
  expect(JSON.parse(json).data.allCustomers.nodes).toHaveLength(31);
  expect(statements).toBeLessThanOrEqual(3);
});

test('two tenants at two versions have each its own schema, tenants at one version share one', async () => {
  const fresh = await fixture.startRuntime();
  const [asA, asB] = [await asker(fixture, fresh.url, a), await asker(fixture, fresh.url, b)];
  const built = async () =>
    Number(/graphql_schemas_built (\d+)/.exec(await fresh.metrics.registry.metrics())?.[1] ?? Number.NaN);
  const both = '{ allMembers { nodes { displayName } } }';
  expect([(await asA(both)).status, (await asB(both)).status, await built()]).toEqual([200, 200, 1]);
  await alter(a, 'alter table members add column pronouns text');
  await release(a, 'one more');
  const newer = '{ allMembers { nodes { displayName pronouns } } }';
  await waitUntil(async () => (await asA(newer)).status === 200, { what: 'the schema of the new version' });
  expect(await asB(newer)).toMatchObject({
    status: 400,
    errors: [{ extensions: { code: 'graphql_document_invalid' } }],
  });
  expect([(await asA(both)).status, (await asB(both)).status]).toEqual([200, 200]);
  await alter(b, 'alter table members add column pronouns text');
  await release(b, 'one more');
  await waitUntil(async () => (await asB(newer)).status === 200, { what: 'the schema of the new version' });
  expect(await built()).toBe(2);
});

/** What the end of a migration writes into the catalog. */
const release = async (tenant: TestTenant, hash: string): Promise<void> => {
  const { db } = fixture.house.catalog;
  const { lanes } = await db
    .selectFrom('databases')
    .select('lanes')
    .where('id', '=', tenant.databaseId)
    .executeTakeFirstOrThrow();
  const moved = { ...lanes, tenant: { version: `${BigInt(lanes.tenant?.version ?? 0) + 1n}`, hash } };
  await db
    .updateTable('databases')
    .set({ lanes: JSON.stringify(moved) })
    .where('id', '=', tenant.databaseId)
    .execute();
};

test('a request that races with a migration is answered by the old schema or the new one, never by a 5xx', async () => {
  const seen = new Map<string, number>();
  let migrating = true;
  const note = (key: string) => seen.set(key, (seen.get(key) ?? 0) + 1);
  const client = async (query: string) => {
    while (migrating) {
      const { status, errors } = await ask(query);
      note(status === 200 ? (errors?.[0]?.extensions.code ?? 'data') : `${status} ${errors?.[0]?.extensions.code}`);
    }
  };
  const clients = ['{ allMembers { nodes { displayName } } }', '{ allMembers { nodes { callName } } }'].flatMap(
    (query) => [client(query), client(query)],
  );
  for (let turn = 0; turn < 4; turn++) {
    const [from, to] = turn % 2 === 0 ? ['display_name', 'call_name'] : ['call_name', 'display_name'];
    await alter(a, `alter table members rename column ${from} to ${to}`);
    await release(a, `turn ${turn}`);
    const query = `{ allMembers { nodes { ${to === 'call_name' ? 'callName' : 'displayName'} } } }`;
    await waitUntil(async () => (await ask(query)).data !== undefined, { what: `the schema after turn ${turn}` });
  }
  migrating = false;
  await Promise.all(clients);
  expect([...seen.keys()].filter((key) => !['data', '400 graphql_document_invalid'].includes(key))).toEqual([]);
  expect(seen.get('data')).toBeGreaterThan(0);
  expect(seen.get('400 graphql_document_invalid')).toBeGreaterThan(0);
});
