// The public client of Neon, unchanged, against POST /v1/sql.
import { NeonDbError, neon, neonConfig } from '@neondatabase/serverless';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  call,
  createRuntimeFixture,
  type RunningRuntime,
  type RuntimeFixture,
  type TestTenant,
} from '../support/runtime.ts';

let fixture: RuntimeFixture;
let runtime: RunningRuntime;
let tenant: TestTenant;
let token: string;

beforeAll(async () => {
  fixture = await createRuntimeFixture();
  tenant = await fixture.addTenant();
  token = await fixture.token(tenant.id);
  runtime = await fixture.startRuntime();
  neonConfig.fetchEndpoint = `${runtime.url}/v1/sql`;
  neonConfig.disableWarningInBrowsers = true;
});
afterAll(() => fixture.close());

/** The connection string is demanded by the client and ignored by us: the tenant comes from the token. */
const client = <O extends object>(options?: O) =>
  neon('postgres://nobody:ignored@elsewhere.example/nothing', { authToken: () => token, ...options });

const errorOf = (promise: Promise<unknown>): Promise<NeonDbError> =>
  promise.then(
    () => expect.unreachable('an error was expected'),
    (error: unknown) => {
      expect(error).toBeInstanceOf(NeonDbError);
      return error as NeonDbError;
    },
  );

test('a query with parameters', async () => {
  const sql = client();
  expect(await sql`select tenant_uid from canary where tenant_uid = ${tenant.canary}`).toEqual([
    { tenant_uid: tenant.canary },
  ]);
  expect(await sql.query('select $1::int + $2::int as sum', [40, 2])).toEqual([{ sum: 42 }]);
});

test('types arrive as the client reads them', async () => {
  const [row] =
    await client()`select 1::int2 as small, 2::int8 as big, 1.5::float8 as half, 12345678901234567890.5::numeric as exact,
    true as yes, null as nothing, '{"a":[1,null]}'::jsonb as doc, array[1,2,null]::int[] as list, array['a,b','"q"',null] as texts,
    '2026-01-02T03:04:05Z'::timestamptz as at, '\\xdeadbeef'::bytea as bytes, '9b3f8c1e-0000-4000-8000-000000000000'::uuid as id, ''::text as empty`;
  expect(row).toEqual({
    small: 1,
    big: '2',
    half: 1.5,
    exact: '12345678901234567890.5',
    yes: true,
    nothing: null,
    doc: { a: [1, null] },
    list: [1, 2, null],
    texts: ['a,b', '"q"', null],
    at: new Date('2026-01-02T03:04:05Z'),
    bytes: Buffer.from('deadbeef', 'hex'),
    id: '9b3f8c1e-0000-4000-8000-000000000000',
    empty: '',
  });
});

test('parameters of every kind come back unchanged', async () => {
  const at = new Date('2026-05-06T07:08:09.010Z');
  const [row] =
    await client()`select ${'ü🎉\\"\''}::text as t, ${null}::text as n, ${3.25}::float8 as f, ${true}::bool as b, ${at}::timestamptz as d,
    ${[1, 2, 3]}::int[] as ints, ${['a', 'b,"c']}::text[] as texts, ${JSON.stringify({ x: 1 })}::jsonb as j, ${Buffer.from([0, 255])} as bytes`;
  expect(row).toEqual({
    t: 'ü🎉\\"\'',
    n: null,
    f: 3.25,
    b: true,
    d: at,
    ints: [1, 2, 3],
    texts: ['a', 'b,"c'],
    j: { x: 1 },
    bytes: Buffer.from([0, 255]),
  });
});

test('full results, and rows as arrays', async () => {
  const full = await client({ fullResults: true })`select 7 as n`;
  expect(full).toMatchObject({
    command: 'SELECT',
    rowCount: 1,
    rows: [{ n: 7 }],
    fields: [{ name: 'n', dataTypeID: 23 }],
  });
  expect(await client({ arrayMode: true })`select 1 as a, 2 as a`).toEqual([[1, 2]]);
  const inserted = await client({
    fullResults: true,
  })`insert into canary (tenant_uid, note) values ('x', 'full'), ('y', 'full')`;
  expect(inserted).toMatchObject({ command: 'INSERT', rowCount: 2, rows: [], fields: [] });
  expect(await client({ fullResults: true })`delete from canary where note = 'full'`).toMatchObject({ rowCount: 2 });
});

test('a batch is one transaction, with the isolation it asks for', async () => {
  const sql = client();
  const results = await sql.transaction(
    [
      sql`select current_setting('transaction_isolation') as level`,
      sql`select pg_current_xact_id()::text as x`,
      sql`select pg_current_xact_id()::text as x`,
    ],
    { isolationLevel: 'Serializable' },
  );
  expect(results[0]).toEqual([{ level: 'serializable' }]);
  expect(results[1]).toEqual(results[2]);
  for (const [isolationLevel, level] of [
    ['RepeatableRead', 'repeatable read'],
    ['ReadCommitted', 'read committed'],
    ['ReadUncommitted', 'read committed'],
  ] as const) {
    expect(
      await sql.transaction([sql`select current_setting('transaction_isolation') as level`], { isolationLevel }),
    ).toEqual([[{ level }]]);
  }
});

test('a batch is undone as a whole when one statement fails', async () => {
  const sql = client();
  const error = await errorOf(sql.transaction([sql`insert into canary values ('x', 'half')`, sql`select 1/0`]));
  expect(error.code).toBe('22012');
  expect(await sql`select count(*)::int as n from canary where note = 'half'`).toEqual([{ n: 0 }]);
  await sql.transaction([sql`insert into canary values ('x', 'whole')`, sql`insert into canary values ('y', 'whole')`]);
  expect(await sql`select count(*)::int as n from canary where note = 'whole'`).toEqual([{ n: 2 }]);
  await sql`delete from canary where note = 'whole'`;
});

test('a read-only batch cannot write', async () => {
  const sql = client();
  const error = await errorOf(sql.transaction([sql`insert into canary values ('x', 'ro')`], { readOnly: true }));
  expect(error.code).toBe('25006');
  expect(
    await sql.transaction([sql`select current_setting('transaction_deferrable') as d`], {
      readOnly: true,
      deferrable: true,
      isolationLevel: 'Serializable',
    }),
  ).toEqual([[{ d: 'on' }]]);
});

test('errors have the fields of PostgreSQL', async () => {
  const sql = client();
  const syntax = await errorOf(sql.query('selec 1'));
  expect(syntax).toMatchObject({
    code: '42601',
    position: '1',
    severity: 'ERROR',
    message: 'syntax error at or near "selec"',
  });
  const missing = await errorOf(sql.query('select tenant_uud from canary'));
  expect(missing).toMatchObject({ code: '42703', hint: expect.stringContaining('tenant_uid') as string });
  const violated = await errorOf(sql.query(`insert into canary values (null)`));
  expect(violated).toMatchObject({ code: '23502', schema: 'public', table: 'canary', column: 'tenant_uid' });
});

test('a wrong number of parameters is an error of the client, and the next query is served', async () => {
  const sql = client();
  for (const [query, params, code] of [
    ['select $1::int, $2::int', [1], '08P01'],
    ['select 1', [1], '42P18'],
    ['select $1::int', [], '08P01'],
  ] as const) {
    const error = await errorOf(sql.query(query, [...params]));
    expect(error.code, `${query} with ${params.length}`).toBe(code);
  }
  expect(await sql`select 1 as n`).toEqual([{ n: 1 }]);
});

test('many at once', async () => {
  const sql = client();
  const rows = await Promise.all(Array.from({ length: 100 }, (_, n) => sql`select ${n}::int as n`));
  expect(rows).toEqual(Array.from({ length: 100 }, (_, n) => [{ n }]));
});

test('without raw text, values are JSON: numbers, booleans, documents, lists', async () => {
  const query = `select 1 as i, 2::int8 as big, 'NaN'::float8 as nan, true as b, '{"a":1}'::json as j, array[[1,2],[3,4]] as m, array['x',null] as t, null as n`;
  const plain = await call(runtime.url, token, { body: { query } });
  expect(plain.body).toMatchObject({
    rows: [
      {
        i: 1,
        big: '2',
        nan: 'NaN',
        b: true,
        j: { a: 1 },
        m: [
          [1, 2],
          [3, 4],
        ],
        t: ['x', null],
        n: null,
      },
    ],
    rowAsArray: false,
  });
  const raw = await call(runtime.url, token, { body: { query }, headers: { 'Neon-Raw-Text-Output': 'true' } });
  expect(raw.body).toMatchObject({ rows: [{ i: '1', b: 't', m: '{{1,2},{3,4}}' }] });
  const mixed = await call(runtime.url, token, {
    body: { queries: [{ query: 'select 1 as a', arrayMode: true }, { query: 'select 1 as a' }] },
  });
  expect(mixed.body).toMatchObject({ results: [{ rows: [[1]], rowAsArray: true }, { rows: [{ a: 1 }] }] });
  const values = await call(runtime.url, token, {
    body: {
      query: 'select $1::int as a, $2::bool as b, $3::jsonb as c, $4::text[] as d',
      params: [5, false, { k: [1] }, ['p', null, 'q"']],
    },
  });
  expect(values.body).toMatchObject({ rows: [{ a: 5, b: false, c: { k: [1] }, d: ['p', null, 'q"'] }] });
});
