// What a request brings into its transaction: the verified claims as settings, for policies written for PostgREST or Supabase.
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  call,
  createRuntimeFixture,
  type RunningRuntime,
  type RuntimeFixture,
  type TestTenant,
} from '../support/runtime.ts';
import { superuserSql } from '../support/superuser-sql.ts';

let fixture: RuntimeFixture;
let runtime: RunningRuntime;
let tenant: TestTenant;

beforeAll(async () => {
  fixture = await createRuntimeFixture();
  tenant = await fixture.addTenant();
  runtime = await fixture.startRuntime();
  await superuserSql(
    tenant.address,
    `set role ${tenant.address.database}_own;
     create table public.notes (id int primary key, owner text not null, body text);
     alter table public.notes enable row level security;
     create policy own on public.notes
       using (owner = current_setting('request.jwt.claims', true)::json ->> 'sub')
       with check (owner = current_setting('request.jwt.claims', true)::json ->> 'sub');
     insert into public.notes values (1, 'ada', 'of ada'), (2, $q$o'brien \\ "ü🎉$q$, 'of the other');`,
  );
});
afterAll(() => fixture.close());

const sql = async (sub: string, body: object, scope = 'sql', more: object = {}) =>
  call(runtime.url, await fixture.token(tenant.id, { sub, scope, ...more }), { body });

const strange = `o'brien \\ "ü🎉`;

test('row-level policies see the claims of each request, in single statements and in batches', async () => {
  for (const [sub, id] of [
    ['ada', 1],
    [strange, 2],
    ['nobody', undefined],
  ] as const) {
    for (const scope of ['sql', 'sql:read']) {
      const query = 'select id from notes';
      const rows = id === undefined ? [] : [{ id }];
      expect((await sql(sub, { query }, scope)).body, sub).toMatchObject({ rows });
      expect((await sql(sub, { queries: [{ query }, { query }] }, scope)).body).toMatchObject({
        results: [{ rows }, { rows }],
      });
    }
  }
  const refused = await sql('ada', { query: `insert into notes values (3, 'eve', 'x')` });
  expect(refused).toMatchObject({ status: 400, body: { code: '42501' } });
  expect((await sql('ada', { query: `insert into notes values (3, 'ada', 'x')` })).status).toBe(200);
});

test('all verified claims are there, with method and path; nothing of them is left for the next request', async () => {
  const query = `select current_setting('request.jwt.claims', true) as claims, current_setting('request.method', true) as method,
    current_setting('request.path', true) as path`;
  const { body } = await sql('ada', { query }, 'sql', { role: 'clerk', team: { id: 7 } });
  const [row] = body.rows as [{ claims: string; method: string; path: string }];
  expect(row).toMatchObject({ method: 'POST', path: '/v1/sql' });
  expect(JSON.parse(row.claims)).toMatchObject({ sub: 'ada', role: 'clerk', team: { id: 7 }, tid: tenant.id });
  const after = await fixture.token(tenant.id, { sub: 'eve' });
  const seen = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      call(runtime.url, n % 2 ? after : undefined, {
        body: { query: `select current_setting('request.jwt.claims', true)::json ->> 'sub' as sub` },
      }),
    ),
  );
  expect(seen.map((answer, n) => (n % 2 ? answer.body.rows : answer.status))).toEqual(
    seen.map((_, n) => (n % 2 ? [{ sub: 'eve' }] : 401)),
  );
});

test('a request is one transaction: what fails at its end has changed nothing', async () => {
  await superuserSql(
    tenant.address,
    `set role ${tenant.address.database}_own;
     create table public.late (id int primary key, other int references public.late (id) deferrable initially deferred)`,
  );
  const dangling = await sql('ada', { query: 'insert into late values (1, 2)' });
  expect(dangling).toMatchObject({ status: 400, body: { code: '23503', table: 'late' } });
  expect((await sql('ada', { query: 'select count(*)::int as n from late' })).body.rows).toEqual([{ n: 0 }]);
});

test('a statement cannot end the transaction of its request', async () => {
  for (const query of ['begin', 'commit', 'rollback', 'commit and chain', 'start transaction']) {
    expect((await sql('ada', { query })).body, query).toMatchObject({ code: 'transaction_control' });
    const body = { queries: [{ query: 'select 1' }, { query }, { query: 'select 1' }] };
    expect((await sql('ada', body)).body, query).toMatchObject({ code: 'transaction_control' });
  }
});
