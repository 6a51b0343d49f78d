// Documents made to harm, at POST /v1/graphql: each is refused before anything runs, with a code that says why, never a 5xx.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { getIntrospectionQuery } from 'grafast/graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { namesOf } from '../../catalog/names.ts';
import { planLimitsSchema } from '../../catalog/plan-limits.ts';
import { type Ask, asker, askGraphql } from '../support/graphql.ts';
import { createRuntimeFixture, type RunningRuntime, type RuntimeFixture, type TestTenant } from '../support/runtime.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

let fixture: RuntimeFixture;
let runtime: RunningRuntime;
let tenant: TestTenant;
let token: string;
let ask: Ask;

beforeAll(async () => {
  fixture = await createRuntimeFixture();
  tenant = await fixture.addTenant();
  runtime = await fixture.startRuntime({ FREEHOLD_RUNTIME_GRAPHQL_BATCH_MAX: '3' });
  token = await fixture.token(tenant.id, { scope: 'graphql' });
  ask = await asker(fixture, runtime.url, tenant);
  expect((await ask('{ __typename }')).data).toEqual({ __typename: 'Query' });
}, 60_000);
afterAll(() => fixture.close());

const nested = (levels: number) =>
  `{ allProjects(first: 1) { nodes { ${'customerByCustomerId { projectsByCustomerId(first: 1) { nodes { '.repeat(levels)}id${' } } }'.repeat(levels)} } } }`;
const many = (count: number, text: (i: number) => string) => Array.from({ length: count }, (_, i) => text(i)).join(' ');

test('bombs of depth, aliases, fields, cost and fragments are refused before a session is asked for', async () => {
  await waitUntil(() => runtime.pools.stats().idle > 0 && runtime.pools.stats().leased === 0, { what: 'a quiet pool' });
  const opened = await events('opened');
  const bombs: [string, string, (string | undefined)?, Record<string, unknown>?][] = [
    ['depth', nested(5), 'depth'],
    ['depth of thousands', nested(300), undefined],
    [
      'depth in fragments',
      `{ allProjects { ...a } } fragment a on ProjectConnection { nodes { customerByCustomerId { projectsByCustomerId { ...b } } } }
      fragment b on ProjectConnection { nodes { customerByCustomerId { projectsByCustomerId { ...c } } } }
      fragment c on ProjectConnection { nodes { customerByCustomerId { projectsByCustomerId { nodes { customerByCustomerId { id } } } } } }`,
      'depth',
    ],
    ['aliases', `{ ${many(51, (i) => `a${i}: allCustomers(first: 1) { totalCount }`)} }`, 'aliases'],
    ['fields', `{ allCustomers(first: 1) { nodes { ${many(1_100, () => 'id')} } } }`, 'fields'],
    ['tokens', `{ ${many(9_000, () => '__typename')} }`],
    ['rows', '{ allCustomers(first: 1000000) { nodes { id name } } }', 'cost'],
    [
      'rows of a variable',
      'query ($n: Int = 5) { allCustomers(first: $n) { nodes { id name } } }',
      'cost',
      { n: 10_000_000 },
    ],
    ['rows of a default', 'query ($n: Int = 10000000) { allCustomers(first: $n) { nodes { id name } } }', 'cost'],
    [
      'lists in lists',
      '{ allProjects { nodes { tasksByProjectId { nodes { commentsByTaskId { nodes { id body } } } } } } }',
      'cost',
    ],
    [
      'nested fragments',
      `{ allCustomers(first: 1) { nodes { ...f0 } } } ${many(30, (i) => `fragment f${i} on Customer { ...f${i + 1} ...f${i + 1} }`)} fragment f30 on Customer { id }`,
      'fields',
    ],
    ['a fragment in itself', '{ allCustomers { nodes { ...f } } } fragment f on Customer { id ...f }'],
    [
      'introspection in introspection',
      `{ __schema { types { ${'fields { type { '.repeat(8)}name${' } }'.repeat(8)} } } }`,
    ],
    ['introspection again and again', `{ ${many(12, (i) => `s${i}: __schema { types { name } }`)} }`, 'cost'],
  ];
  for (const [what, query, limit, variables] of bombs) {
    const answer = await ask(query, variables);
    expect(answer.status, what).toBe(400);
    const { code, limit: hit } = answer.errors?.[0]?.extensions ?? {};
    expect(['graphql_too_complex', 'graphql_document_invalid'], what).toContain(code);
    if (limit !== undefined) expect(hit, what).toBe(limit);
  }
  expect(await events('opened')).toBe(opened);
  expect((await ask(getIntrospectionQuery())).status).toBe(200);
});

const events = async (event: string): Promise<number> => {
  const text = await runtime.metrics.registry.metrics();
  return Number(new RegExp(`session_events_total{[^}]*event="${event}"[^}]*} (\\d+)`).exec(text)?.[1] ?? 0);
};

test('a request of the wrong shape is told which member is wrong', async () => {
  const wrong: [unknown, RegExp][] = [
    [{}, /Send "query"/],
    [{ query: 5 }, /query/],
    [{ query: '' }, /Send "query"/],
    [{ query: '{ __typename }', variables: [1] }, /variables/],
    [{ query: '{ __typename }', operationName: 7 }, /operationName/],
    [{ query: 'query a { __typename } query b { __typename }' }, /operationName/],
    [{ query: '{ __typename }', operationName: 'nobody' }, /operationName/],
    [{ extensions: { persistedQuery: { sha256Hash: 'short' } } }, /sha256Hash/],
    [
      { query: '{ __typename }', extensions: { persistedQuery: { sha256Hash: 'a'.repeat(64) } } },
      /not that of the document/,
    ],
  ];
  for (const [body, words] of wrong) {
    const { status, errors } = await askGraphql(runtime.url, token, body);
    expect(status, JSON.stringify(body)).toBe(400);
    expect(errors?.[0]).toMatchObject({
      message: expect.stringMatching(words),
      extensions: { code: 'graphql_request_invalid' },
    });
  }
  const typed = await ask('query ($n: Int) { allCustomers(first: $n) { totalCount } }', { n: 'many' });
  expect(typed).toMatchObject({ status: 400, errors: [{ extensions: { code: 'graphql_request_invalid' } }] });
  const overflow = await ask('{ customerById(id: "99999999999999999999999") { id } }');
  expect(overflow).toMatchObject({
    status: 200,
    errors: [{ extensions: { code: 'graphql_statement_failed', sqlstate: '22003' } }],
  });
  expect((await ask('subscription { __typename }')).status).toBe(400);
  expect((await ask('{ allCustomers { nodes { "')).errors?.[0]?.extensions.code).toBe('graphql_document_invalid');
});

test('a batch is bounded, and each operation in it is answered for itself', async () => {
  const one = { query: '{ allCustomers { totalCount } }' };
  const bad = { query: '{ nothing }' };
  const answer = await askGraphql(runtime.url, token, [one, bad, one]);
  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject(
    [
      { data: { allCustomers: { totalCount: '0' } } },
      { errors: [{ extensions: { code: 'graphql_document_invalid' } }] },
      { data: { allCustomers: { totalCount: '0' } } },
    ].map((each) => ('data' in each ? { data: { allCustomers: { totalCount: expect.anything() } } } : each)),
  );
  for (const body of [[one, one, one, one], []]) {
    expect(await askGraphql(runtime.url, token, body)).toMatchObject({
      status: 400,
      errors: [{ extensions: { code: 'batch_too_large' } }],
    });
  }
});

test('with introspection off neither the schema nor a suggestion of a name is told', async () => {
  const closed = await fixture.startRuntime({ FREEHOLD_RUNTIME_GRAPHQL_INTROSPECTION: 'false' });
  const asked = await asker(fixture, closed.url, tenant);
  for (const query of [
    getIntrospectionQuery(),
    '{ __schema { types { name } } }',
    '{ __type(name: "Customer") { name } }',
  ]) {
    const { status, errors } = await asked(query);
    expect(status).toBe(400);
    expect(errors?.[0]?.extensions.code).toBe('graphql_document_invalid');
  }
  const misspelt = await asked('{ allCustomer { nodes { nam } } }');
  expect(JSON.stringify(misspelt.body)).not.toMatch(/did you mean|allCustomers/i);
  expect((await asked('{ __typename allCustomers { totalCount } }')).status).toBe(200);
});

test('stored operations are found by their hash; where only they are allowed, nothing else is answered', async () => {
  const document = 'query Count { allCustomers { totalCount } }';
  const hash = createHash('sha256').update(document).digest('hex');
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-operations-'));
  const file = path.join(folder, 'operations.json');
  try {
    fs.writeFileSync(file, JSON.stringify({ [hash]: document }));
    const only = await fixture.startRuntime({
      FREEHOLD_RUNTIME_GRAPHQL_OPERATIONS_FILE: file,
      FREEHOLD_RUNTIME_GRAPHQL_OPERATIONS_ONLY: 'true',
    });
    const send = (body: unknown) => askGraphql(only.url, token, body);
    for (const body of [
      { extensions: { persistedQuery: { version: 1, sha256Hash: hash } } },
      { documentId: `sha256:${hash}` },
      { query: document },
    ]) {
      expect(await send(body), JSON.stringify(body)).toMatchObject({ status: 200, errors: undefined });
    }
    expect(await send({ query: '{ __typename }' })).toMatchObject({
      status: 403,
      errors: [{ extensions: { code: 'graphql_operation_not_stored' } }],
    });
    expect(await send({ documentId: `sha256:${'0'.repeat(64)}` })).toMatchObject({
      status: 404,
      errors: [{ extensions: { code: 'graphql_operation_unknown' } }],
    });
    fs.writeFileSync(file, JSON.stringify({ [hash]: `${document} ` }));
    await expect(fixture.startRuntime({ FREEHOLD_RUNTIME_GRAPHQL_OPERATIONS_FILE: file })).rejects.toMatchObject({
      code: 'graphql_operations_file_unusable',
    });
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});

test('random documents and bodies are never a 5xx, and never show a name of ours', async () => {
  const name = fc.constantFrom(
    'allCustomers',
    'nodes',
    'id',
    'name',
    'customer',
    '__schema',
    'x',
    'first',
    'on',
    '...f',
    '$a',
  );
  const piece = fc.oneof(
    name,
    fc.constantFrom(
      '{',
      '}',
      '(',
      ')',
      ':',
      '!',
      '[',
      ']',
      '"',
      '"""',
      '#',
      '@',
      '\\u0000',
      '\u0000',
      '😀',
      '1e999',
      '-1',
      'null',
      'query',
      'mutation',
      'fragment',
    ),
    fc.string({ maxLength: 5 }),
  );
  const text = fc.array(piece, { maxLength: 25 }).map((parts) => parts.join(' '));
  const body = fc.oneof(
    fc.record({ query: text, variables: fc.option(fc.dictionary(fc.string(), fc.jsonValue())) }),
    fc.jsonValue(),
  );
  await fc.assert(
    fc.asyncProperty(body, async (sent) => {
      const answer = await askGraphql(runtime.url, token, JSON.stringify(sent));
      expect(answer.status).toBeLessThan(500);
      expect(JSON.stringify(answer.body)).not.toMatch(/node_modules|127\.0\.0\.1|t_01m|freehold\./i);
    }),
    { numRuns: 150 },
  );
});

test('S02 the deadline and a client that leaves end the statement and give the session back', async () => {
  const { owner } = namesOf(tenant.databaseId);
  await superuserSql(
    tenant.address,
    `set role ${owner}; create function slow() returns integer language sql stable as 'select 1 from pg_sleep(30)'`,
  );
  const short = await fixture.startRuntime({ FREEHOLD_RUNTIME_DEADLINE_MS: '700' });
  const slow = { query: '{ slow }' };
  const running = async () =>
    (
      await superuserSql(
        tenant.address,
        `select 1 from pg_stat_activity where query like '%slow%' and state = 'active' and pid <> pg_backend_pid()`,
      )
    ).length;
  expect(await askGraphql(short.url, token, slow)).toMatchObject({ status: 504, code: 'deadline_exceeded' });
  await waitUntil(async () => (await running()) === 0 && short.pools.stats().leased === 0, {
    what: 'the end of the statement',
  });
  const controller = new AbortController();
  const left = askGraphql(runtime.url, token, slow, { signal: controller.signal }).catch((error: Error) => error.name);
  await waitUntil(async () => (await running()) > 0, { what: 'the statement' });
  controller.abort();
  expect(await left).toBe('AbortError');
  await waitUntil(async () => (await running()) === 0 && runtime.pools.stats().leased === 0, {
    what: 'the end of the statement',
  });
});

test('a result larger than the plan allows is refused by its code, also where aliases made it large', async () => {
  await fixture.house.catalog.db
    .insertInto('plans')
    .values({ id: 'tiny', title: 'Tiny', limits: JSON.stringify(planLimitsSchema.parse({ result_bytes_max: 20_000 })) })
    .execute();
  const small = await fixture.addTenant('tiny');
  await superuserSql(
    small.address,
    `insert into customers (name, email, country) select repeat('x', 150), i || '@example.com', 'DE' from generate_series(1, 200) i`,
  );
  const asked = await asker(fixture, runtime.url, small);
  const plain = await asked('{ allCustomers(first: 200) { nodes { name } } }');
  expect(plain).toMatchObject({ status: 400, errors: [{ extensions: { code: 'result_too_large' } }] });
  const aliased = await asked(`{ allCustomers(first: 20) { nodes { ${many(20, (i) => `a${i}: name`)} } } }`);
  expect(aliased).toMatchObject({ status: 400, errors: [{ extensions: { code: 'result_too_large' } }] });
  expect((await asked('{ allCustomers(first: 20) { nodes { name } } }')).status).toBe(200);
});
