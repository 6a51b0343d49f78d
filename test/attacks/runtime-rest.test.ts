// What a client can send to /v1/rest to break it: every answer is one of the dialect, none is 5xx, no text of the request becomes SQL.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newBuild, tableSource } from '../../tenant-runtime/rest/build.ts';
import { parseQuery } from '../../tenant-runtime/rest/parse-query.ts';
import { readSchema } from '../../tenant-runtime/rest/read-schema.ts';
import { RestError } from '../../tenant-runtime/rest/rest-error.ts';
import { rowsSql, selectSql } from '../../tenant-runtime/rest/rows-sql.ts';
import type { Column, Table, TenantSchema } from '../../tenant-runtime/rest/tenant-schema.ts';
import { createSchemaStore } from '../../tenant-runtime/schema-store.ts';
import type { ServedRoute } from '../../tenant-runtime/tenant-pools.ts';
import { fillRestSample } from '../support/rest-sample.ts';
import {
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
let tenant: TestTenant;
let other: TestTenant;
let token: string;

beforeAll(async () => {
  fixture = await createRuntimeFixture();
  [tenant, other] = [await fixture.addTenant(), await fixture.addTenant()];
  runtime = await fixture.startRuntime();
  await fillRestSample(tenant);
  await fillRestSample(other);
  token = await fixture.token(tenant.id, { scope: 'rest' });
});
afterAll(() => fixture.close());

type Asked = { method?: string; body?: unknown; headers?: Record<string, string> };
const rest = (path: string, asked: Asked = {}) => call(runtime.url, token, { path: `/v1/rest${path}`, ...asked });

const inside = /127\.0\.0\.1|postgres|t_01|_app_|dbs_|json_agg|pg_catalog|lateral| at .*\.ts|node_modules/i;

test('bad requests have the status and code of the dialect, and say nothing of the inside', async () => {
  const deep = (n: number) => `${'and('.repeat(n)}id.eq.1${')'.repeat(n)}`;
  const cases: [string, number, string, Asked?][] = [
    ['/nowhere', 404, 'PGRST205'],
    ['/a/b/c', 404, 'PGRST125'],
    ['/rpc/nowhere', 404, 'PGRST202'],
    ['/pg_class', 404, 'PGRST205'],
    ['/freehold.identity', 404, 'PGRST205'],
    ['/films?select=id,', 400, 'PGRST100'],
    ['/films?select=id(', 400, 'PGRST100'],
    ['/films?select=sum()', 400, 'PGRST200'],
    ['/films?select=id.sum()', 400, 'PGRST123'],
    ['/films?select=count()', 400, 'PGRST123'],
    ['/films?id=1', 400, 'PGRST100'],
    ['/films?id=xx.1', 400, 'PGRST100'],
    ['/films?id=constructor.1', 400, 'PGRST100'],
    ['/films?id=eq.%00', 400, '22021'],
    ['/films?id=eq.99999999999999999999', 400, '22003'],
    ['/films?title=match.(', 400, '2201B'],
    ['/films?words=fts(nolang).x', 400, '42704'],
    ['/films?info=like.x', 404, '42883'],
    ['/films?tags=cs.{a', 400, '22P02'],
    [`/films?or=(${deep(200)})`, 400, 'PGRST100'],
    [`/films?select=${'actors('.repeat(100)}`, 400, 'PGRST100'],
    ['/films?or=id.eq.1', 400, 'PGRST100'],
    ['/films?tasks.id=eq.1', 400, 'PGRST108'],
    ['/films?limit=-1', 416, 'PGRST103'],
    ['/films?limit=x', 400, 'PGRST100'],
    ['/films?order=nothing', 400, '42703'],
    ['/films?order=id.sideways', 400, 'PGRST100'],
    [`/films?${'id=eq.1&'.repeat(600)}`, 400, 'PGRST100'],
    ['/films', 406, 'PGRST107', { headers: { accept: 'image/png' } }],
    ['/films', 406, 'PGRST106', { headers: { 'accept-profile': 'freehold' } }],
    ['/films', 400, 'PGRST122', { headers: { prefer: 'handling=strict, colour=red' } }],
    ['/films', 416, 'PGRST103', { headers: { range: '9-1' } }],
    ['/films', 400, 'PGRST102', { method: 'POST', body: '7' }],
    ['/films', 400, 'PGRST102', { method: 'POST', body: '[1]' }],
    ['/films', 400, 'PGRST102', { method: 'POST', body: [{ id: 1 }, { title: 'x' }] }],
    ['/films', 400, 'PGRST102', { method: 'POST' }],
    ['/films', 400, 'invalid_json', { method: 'POST', body: '{"id":1,"id":2}' }],
    ['/films', 400, 'PGRST204', { method: 'POST', body: { __proto__x: 1 } }],
    ['/films', 400, '22P02', { method: 'POST', body: { id: 'abc', title: 'x' } }],
    ['/films', 400, '22001', { method: 'POST', body: { id: 500, title: 'x', code: 'too long' } }],
    ['/films?id=eq.1', 405, 'PGRST105', { method: 'PUT', body: { id: 2, title: 'x' } }],
    ['/films', 405, 'PGRST117', { method: 'OPTIONS' }],
    ['/rpc/add', 405, 'PGRST117', { method: 'DELETE' }],
    ['/rpc/add', 400, '22P02', { body: { a: 'x' } }],
    ['/rpc/add?a=x', 400, '22P02'],
    ['/film_titles', 400, '23502', { method: 'POST', body: { title: 'no id' } }],
    ['/project_progress', 400, '55000', { method: 'POST', body: { code: 'x' } }],
  ];
  for (const [path, status, code, asked] of cases) {
    const answer = await rest(path, asked);
    const what = `${path.slice(0, 80)} ${JSON.stringify(asked)}: ${JSON.stringify(answer.body)}`;
    expect.soft([answer.status, answer.body.code], what).toEqual([status, code]);
    // What the edge refuses before any API is asked is its problem document and no more.
    if (code === 'invalid_json') continue;
    expect(Object.keys(answer.body)).toEqual(expect.arrayContaining(['code', 'message', 'details', 'hint']));
    expect(JSON.stringify(answer.body), path).not.toMatch(inside);
  }
  expect((await rest('/films?select=id&id=eq.1')).body).toEqual([{ id: 1 }]);
});

test('a request of ten thousand columns and one of a thousand values', async () => {
  const wide = await rest(`/films?select=${'id,'.repeat(2_500)}id`);
  expect([400, 431]).toContain(wide.status);
  const columns = await rest(`/films?select=${'id,'.repeat(1_700)}id`);
  expect(columns).toMatchObject({ status: 400, body: { code: '54011' } });
  const values = Array.from({ length: 1_000 }, (_, n) => n).join(',');
  expect((await rest(`/films?select=id&id=in.(${values})&order=id`)).body).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
  const rows = Array.from({ length: 3_000 }, (_, n) => ({ a: n, b: `row ${n}` }));
  const prefer = { prefer: 'return=minimal, count=exact' };
  expect((await rest('/plain', { body: rows, headers: prefer })).headers.get('content-range')).toBe('*/3000');
});

const value = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.constantFrom(
    "'",
    '"',
    '\\',
    '$1',
    ';',
    '--',
    '/*',
    ')',
    '(',
    '{',
    '}',
    ',',
    '.',
    '->',
    '::',
    '!inner',
    '...',
    '*',
  ),
);
const word = fc.oneof(
  value,
  fc.constantFrom(
    'id',
    'title',
    'info',
    'actors',
    'roles',
    'films',
    'eq',
    'in',
    'not',
    'is',
    'or',
    'and',
    'null',
    'order',
  ),
);
const text = fc.array(fc.oneof(word, fc.constantFrom('.', ',', '(', ')', '->', '->>', ':', '::')), { maxLength: 12 });
const quotedText = value.map((each) => `"${each.replace(/["\\]/g, '\\$&')}"`);
const operator = fc.constantFrom('eq', 'not.eq', 'like', 'cs', 'fts', 'eq(any)', 'isdistinct');
const field = fc
  .tuple(fc.constantFrom('id', 'title', 'info'), fc.option(quotedText))
  .map(([name, key]) => (key === null ? name : `${name}->${key}`));
/** Well formed, with anything where a value or a name may stand: what gets as far as SQL. */
const wellFormed: fc.Arbitrary<[string, string]> = fc.oneof(
  fc.tuple(
    field,
    fc.tuple(operator, value).map(([name, each]) => `${name}.${each}`),
  ),
  fc.tuple(
    field,
    fc.array(quotedText, { maxLength: 3 }).map((each) => `in.(${each.join(',')})`),
  ),
  fc.tuple(
    fc.constantFrom('or', 'and', 'not.or'),
    fc.tuple(field, operator, quotedText).map((each) => `(${each.join('.')},id.is.null)`),
  ),
  fc.tuple(
    fc.constant('select'),
    fc.tuple(quotedText, field).map(([alias, each]) => `${alias}:${each}::text,id`),
  ),
  fc.tuple(
    fc.constant('order'),
    field.map((each) => `${each}.desc.nullslast`),
  ),
);
const loose = fc.tuple(
  fc.oneof(
    fc.constantFrom('select', 'order', 'limit', 'offset', 'or', 'and', 'id', 'title', 'info->a', 'roles.or'),
    word,
  ),
  text.map((parts) => parts.join('')),
);

const parameter = fc.oneof(loose, wellFormed);

test('query strings at random are never 5xx', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(parameter, { maxLength: 4 }),
      fc.constantFrom('films', 'rpc/films_after'),
      async (params, path) => {
        const { status, body } = await rest(`/${path}?${new URLSearchParams(params)}`);
        expect(status, JSON.stringify(params)).toBeLessThan(500);
        if (status >= 400) expect(body, JSON.stringify(params)).toMatchObject({ code: expect.any(String) as string });
        expect(JSON.stringify(body)).not.toMatch(/at or near|unterminated/); // a syntax error would be text of ours that is wrong
      },
    ),
    { numRuns: Number(process.env.REST_FUZZ_RUNS ?? 400) },
  );
}, 600_000);

const column = (name: string, type: string): [string, Column] => [
  name,
  { name, type, notNull: false, default: null, hasDefault: false, comment: null, enums: null },
];
const films: Table = {
  name: 'films',
  kind: 'table',
  comment: null,
  columns: new Map([column('id', 'integer'), column('title', 'text'), column('info', 'jsonb')]),
  primaryKey: ['id'],
  uniques: [['id']],
  computed: new Map(),
};
const schema: TenantSchema = {
  tables: new Map([['films', films]]),
  relationships: [],
  routines: new Map(),
  types: new Map([['text', 'text']]),
};

test('no text of a request becomes SQL: values are parameters, names are quoted', () => {
  const own = /^[a-z0-9_$.,*()\s=<>~@&|:\-[\]{}'!]*$/;
  let reached = 0;
  fc.assert(
    fc.property(fc.array(parameter, { maxLength: 5 }), (params) => {
      const build = newBuild(schema);
      let sql: string;
      try {
        const { rows } = parseQuery(new URLSearchParams(params));
        sql = selectSql(build, 'public."films" as _t', rowsSql(build, rows, tableSource(films, '_t')), rows);
      } catch (error) {
        expect(error).toBeInstanceOf(RestError);
        return;
      }
      const bare = sql.replace(/"(?:[^"]|"")*"/g, 'x');
      expect(bare, JSON.stringify(params)).toMatch(own);
      reached++;
      expect(bare.replaceAll(`'[]'`, '').replaceAll(`'{}'`, ''), JSON.stringify(params)).not.toMatch(/['";]/);
    }),
    { numRuns: 3_000 },
  );
  expect(reached).toBeGreaterThan(500); // or it would prove nothing
});

test('databases that look the same cost one reading of the schema', async () => {
  const store = createSchemaStore({ build: readSchema, schemasMax: 5 });
  const { signal } = new AbortController();
  const schemas = await Promise.all(
    [tenant, other, tenant, other].map(async ({ id }) => {
      const route = (await runtime.routes.find(id)) as ServedRoute;
      return runtime.pools.use(route, 'app', (session) => store.find(route, 'app', session, { signal }), signal);
    }),
  );
  expect(schemas.every((schema) => schema === schemas[0])).toBe(true);
  expect(store.stats()).toEqual({ schemas: 1, databases: 2, built: 1 });
});

test('S02 a client that leaves ends its statement, and nothing of it is kept', async () => {
  const active = async () =>
    (
      await superuserSql(
        tenant.address,
        `select 1 from pg_stat_activity where datname = current_database() and state = 'active' and pid <> pg_backend_pid()`,
      )
    ).length;
  const leaving = new AbortController();
  const request = call(runtime.url, token, { path: '/v1/rest/rpc/linger', body: {}, signal: leaving.signal }).catch(
    () => 'left',
  );
  await waitUntil(async () => (await active()) === 1, { what: 'the statement to run' });
  leaving.abort();
  expect(await request).toBe('left');
  await waitUntil(async () => (await active()) === 0, { what: 'the statement to end' });
  expect((await rest('/plain?a=eq.4711')).body).toEqual([]);
});

test('a change by hand is seen at once by who runs into it, and by nobody else', async () => {
  const mine = await fixture.token(other.id, { scope: 'rest' });
  const ask = (as: string) => call(runtime.url, as, { path: '/v1/rest/plain?select=a,added&limit=0' });
  expect([(await ask(token)).status, (await ask(mine)).status]).toEqual([400, 400]);
  const owner = `set role ${other.address.database}_own; `;
  await superuserSql(other.address, `${owner}alter table public.plain add column added int`);
  await expect.poll(async () => (await ask(mine)).status, { timeout: 5_000 }).toBe(200);
  expect((await ask(token)).status).toBe(400);
  await superuserSql(other.address, `${owner}alter table public.plain drop column added`);
  await expect.poll(async () => (await ask(mine)).status, { timeout: 5_000 }).toBe(400);
});

test('J10 an unknown table and one of another tenant get the same answer', async () => {
  await superuserSql(other.address, `set role ${other.address.database}_own; create table public.only_theirs (id int)`);
  const strip = (answer: Awaited<ReturnType<typeof rest>>, name: string) => [
    answer.status,
    JSON.stringify(answer.body).replaceAll(name, '…'),
  ];
  expect(strip(await rest('/only_theirs'), 'only_theirs')).toEqual(strip(await rest('/nobodys'), 'nobodys'));
});

test('limits of the plan hold: a result too large, a statement too long; the next request is served', async () => {
  const limits = {
    runtime_sessions_max: 2,
    statement_timeout_ms: 300,
    result_bytes_max: 20_000,
    login_connections_max: 20,
    temp_file_kib_max: 10_240,
  };
  await superuserSql(
    fixture.house.catalog.address,
    `insert into plans (id, title, limits) values ('tiny-rest', 'Tiny', $1)`,
    [JSON.stringify(limits)],
  );
  const tiny = await fixture.addTenant('tiny-rest');
  await superuserSql(
    tiny.address,
    `set role ${tiny.address.database}_own;
     create function slow() returns int language sql volatile as 'select 1 from pg_sleep(20)';
     create function large() returns setof text language sql stable as $$ select repeat('x', 1000) from generate_series(1, 1000) $$;`,
  );
  const own = await fixture.token(tiny.id, { scope: 'rest' });
  const ask = (path: string, body?: object) =>
    call(runtime.url, own, { path: `/v1/rest${path}`, ...(body && { body }) });
  expect(await ask('/rpc/slow', {})).toMatchObject({ status: 400, body: { code: '57014' } });
  expect(await ask('/rpc/large')).toMatchObject({
    status: 400,
    body: { code: 'result_too_large', message: expect.any(String) as string, details: null },
  });
  expect((await ask('/canary?select=tenant_uid')).body).toEqual([{ tenant_uid: tiny.canary }]);
});

test('headers of the protocol: pages, applied preferences, location, media types; HEAD has no body', async () => {
  const page = await rest('/films?select=id&order=id', { headers: { range: '0-1', prefer: 'count=exact' } });
  expect([page.status, page.headers.get('content-range'), page.headers.get('content-type')]).toEqual([
    206,
    '0-1/3',
    'application/json; charset=utf-8',
  ]);
  expect(page.headers.get('preference-applied')).toBe('count=exact');
  expect((await rest('/films?id=eq.77')).headers.get('content-range')).toBe('*/*');
  const head = await rest('/films?select=id', { method: 'HEAD', headers: { prefer: 'count=exact' } });
  expect([head.status, head.headers.get('content-range'), head.body]).toEqual([200, '0-2/3', { text: '' }]);
  const made = await rest('/persons', { body: { id: 700, name: 'Made' }, headers: { prefer: 'return=headers-only' } });
  expect([made.status, made.headers.get('location'), made.body]).toEqual([
    201,
    '/v1/rest/persons?id=eq.700',
    { text: '' },
  ]);
  const one = { headers: { accept: 'application/vnd.pgrst.object+json' } };
  expect((await rest('/films?select=id&id=eq.1', one)).body).toEqual({ id: 1 });
  const put = await rest('/persons?id=eq.700', {
    method: 'PUT',
    body: { id: 700, name: 'Put' },
    headers: { prefer: 'return=representation' },
  });
  expect(put.body).toEqual([{ id: 700, boss_id: null, name: 'Put' }]);
  const described = await rest('/', { headers: { accept: 'application/openapi+json' } });
  expect(described.body).toMatchObject({
    swagger: '2.0',
    definitions: {
      films: {
        required: ['id', 'title', 'tags'],
        properties: { mood: { enum: ['glad', 'sad'] }, id: { type: 'integer' } },
      },
    },
    paths: { '/rpc/add': { get: {}, post: {} }, '/films': { get: {}, post: {}, patch: {}, delete: {} } },
  });
});
