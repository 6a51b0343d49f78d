// One database to its target, in every way in which that can go wrong: cut off, refused, over its time, left in a strange state.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import type { MemberError } from '../../catalog/rollout-policy.ts';
import type { Lane, MigrationFile } from '../../control-plane/migration-files/migration-file.ts';
import { DatabaseMigrationFailed, type MigrateOptions } from '../../control-plane/postgres/tenant-database.ts';
import { tenantCluster, waitUntil } from '../support/clusters.ts';
import { laneOfFiles, laneOfTexts, migrateOptions } from '../support/lanes.ts';
import { loginStateOf } from '../support/sqlstate.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { openTenantCluster, type TenantCluster } from '../support/tenant-cluster.ts';

let cluster: TenantCluster;
let id: DatabaseId;
const texts = ['create table t (id int, much int); insert into t values (1, 1), (1, 2);'];
beforeAll(async () => {
  cluster = await openTenantCluster(tenantCluster('b'));
  id = await cluster.makeDatabase();
  await up();
}, 60_000);
afterAll(() => cluster?.close());

const laneBehind = (...more: string[]) => laneOfTexts([...texts, ...more]);
const inside = (sql: string) => superuserSql({ ...cluster.server, database: namesOf(id).database }, sql);
const migrate = (lane: Lane, more: Partial<MigrateOptions> = {}) =>
  cluster.databases.migrate(id, lane, migrateOptions(more));
/** What was proved goes with the next test's lane. */
async function up(...more: string[]): Promise<void> {
  const lane = await laneBehind(...more);
  await migrate(lane);
  texts.push(...more);
}
async function errorOf(work: Promise<unknown>): Promise<MemberError> {
  const thrown = await work.then(
    () => new Error('it succeeded'),
    (error: unknown) => error,
  );
  if (thrown instanceof DatabaseMigrationFailed) return thrown.error;
  throw thrown;
}
const cutOff = (query: string) =>
  waitUntil(
    async () =>
      (
        await inside(`select pg_terminate_backend(pid) from pg_stat_activity
        where state = 'active' and usename ~ '_mig$' and datname = current_database() and query ~ '${query}'`)
      ).length > 0,
    { what: `${query} is cut off` },
  );
const fileNow = () => `${20_270_101_000_000_000n + BigInt(texts.length)}_file`;

test('M03 M10 cut off between DDL and bookkeeping in a transaction: neither is there, and it goes again', async () => {
  const lane = await laneBehind('create table cut (id int);\nselect pg_sleep(1);');
  const failed = errorOf(migrate(lane));
  await cutOff('create table cut');
  expect(await failed).toMatchObject({
    sqlstate: '57P01',
    state_of_database: 'unchanged',
    retryable: true,
    hint: expect.stringContaining('ended by somebody'),
  });
  expect(await inside(`select to_regclass('cut') as cut`)).toEqual([{ cut: null }]);
  expect((await migrate(lane)).outcome).toBe('done');
  texts.push('create table cut (id int);\nselect pg_sleep(1);');
});

test('M03 cut off between two statements outside of a transaction: what is there stays, the rest follows', async () => {
  const text =
    '-- freehold: no-transaction\ncreate table alone_1 (id int);\nselect pg_sleep(1);\ncreate table alone_2 (id int);';
  const lane = await laneBehind(text);
  const failed = errorOf(migrate(lane));
  await cutOff('^[[:space:]]*select pg_sleep');
  expect(await failed).toMatchObject({
    state_of_database: 'partly-migrated',
    file: fileNow(),
    line: 3,
    retryable: true,
  });
  expect(await inside(`select to_regclass('alone_1')::text as a, to_regclass('alone_2')::text as b`)).toEqual([
    { a: 'alone_1', b: null },
  ]);
  await migrate(lane);
  expect(
    await inside('select from freehold.progress union all select from t where to_regclass($$alone_2$$) is null'),
  ).toEqual([]);
  texts.push(text);
});

test('M03 cut off between a statement and its mark: it is asked whether it is so, and does not run twice', async () => {
  const text =
    '-- freehold: no-transaction\ncreate table marked (id int);\ncreate index concurrently marked_id on marked (id);';
  const lane = await laneBehind(text);
  await inside(`set role ${namesOf(id).owner}; create table marked (id int); create index marked_id on marked (id);
    insert into freehold.progress (lane, name, statement, state) values ('tenant', '${fileNow()}', 0, 'intended'), ('tenant', '${fileNow()}', 1, 'intended')`);
  const before = await inside(`select oid from pg_class where relname ~ '^marked' order by 1`);
  expect((await migrate(lane)).outcome).toBe('done');
  expect(await inside(`select oid from pg_class where relname ~ '^marked' order by 1`)).toEqual(before);
  texts.push(text);
});

test('M03 a table that somebody else has made is never taken for ours, however often it is tried', async () => {
  await inside(`set role ${namesOf(id).owner}; create table foreign_one (id int)`);
  const lane = await laneBehind('-- freehold: no-transaction\ncreate table foreign_one (other text);');
  for (const _ of [1, 2])
    expect(await errorOf(migrate(lane))).toMatchObject({ sqlstate: '42P07', line: 2, state_of_database: 'unchanged' });
  await inside('drop table foreign_one');
});

test('M04 the invalid index of a failed CREATE INDEX CONCURRENTLY is found, dropped and built anew', async () => {
  const text = '-- freehold: no-transaction\ncreate unique index concurrently if not exists t_id on t (id);';
  const lane = await laneBehind(text);
  const state = () => inside(`select indisvalid as valid from pg_index where indexrelid = to_regclass('t_id')`);
  expect(await errorOf(migrate(lane))).toMatchObject({
    sqlstate: '23505',
    state_of_database: 'partly-migrated',
    line: 2,
  });
  expect(await state()).toEqual([{ valid: false }]);
  await inside('delete from t where much = 2');
  expect((await migrate(lane)).outcome).toBe('done');
  expect(await state()).toEqual([{ valid: true }]);
  texts.push(text);
});

test('M10 a backfill over its statement timeout is taken back, with the statement and what to do', async () => {
  const lane = await laneBehind('select 1;\nupdate t set much = 0 where pg_sleep(30) is not null;');
  expect(await errorOf(migrate(lane, { statementTimeoutMs: 200 }))).toMatchObject({
    sqlstate: '57014',
    line: 2,
    statement: 'update t set much = 0 where pg_sleep(30) is not null',
    hint: expect.stringContaining('batches'),
    state_of_database: 'unchanged',
  });
});

test('of several files in one message the one that failed is named, with line, statement and position', async () => {
  const failing = "select 'ü😀';\n\nselect 1,\n  missing from t;";
  expect(await errorOf(migrate(await laneBehind('select 2;', failing)))).toMatchObject({
    sqlstate: '42703',
    file: `${20_270_101_000_000_000n + BigInt(texts.length + 1)}_file`,
    line: 4,
    statement: 'select 1,\n  missing from t',
    position: 13,
    state_of_database: 'unchanged',
  });
  // Without a position, by the count of the statements that were answered.
  const late = await errorOf(migrate(await laneBehind('select 2;', 'select 3;\ninsert into t values (7, 7), (7, 7);')));
  expect(late).toMatchObject({ sqlstate: '23505', line: 2, statement: 'insert into t values (7, 7), (7, 7)' });
});

test('M16 what a file leaves behind does not reach the next one; one that resets everything is found', async () => {
  await up(
    "set search_path = freehold; set statement_timeout = 500; set role none; set timezone = 'Asia/Tokyo';",
    'create table after_it (id int); select pg_sleep(0.8);',
  );
  expect(
    await inside(
      `select relnamespace::regnamespace::text as schema, relowner::regrole::text as owner from pg_class where relname = 'after_it'`,
    ),
  ).toEqual([{ schema: 'public', owner: namesOf(id).owner }]);
  expect(await errorOf(migrate(await laneBehind('create table x (id int); reset all;')))).toMatchObject({
    sqlstate: 'ZF011',
    file: fileNow(),
    state_of_database: 'unchanged',
  });
  expect(await inside(`select to_regclass('x') as x`)).toEqual([{ x: null }]);
  const commits = 'create procedure c() language plpgsql as $x$ begin commit; end $x$;\ncall c();';
  expect(await errorOf(migrate(await laneBehind(commits)))).toMatchObject({
    sqlstate: '2D000',
    line: 2,
    state_of_database: 'unchanged',
  });
});

test.each<[what: string, sql: string, sqlstate: string, stays: boolean]>([
  ['commits', 'create table left_1 (id int); commit; select 1', 'ZF011', true],
  ['commits and then fails', 'create table left_1 (id int); commit; select 1 / 0', '22012', true],
  ['fails before it commits', 'create table left_1 (id int); select 1 / 0; commit', '22012', false],
  ['rolls back', 'create table left_1 (id int); rollback; create table left_2 (id int)', 'ZF011', false],
])('M16 a file that %s: told whether something of it stands', async (_, sql, sqlstate, stays) => {
  const failed = await errorOf(migrate(laneOfFiles([...(await laneBehind()).files, fileOf(sql)])));
  expect(failed).toMatchObject({ sqlstate, state_of_database: stays ? 'partly-migrated' : 'unchanged' });
  await expectLeft(stays);
});

test.each<[what: string, asks: string, sqlstate: string, stays: boolean]>([
  ['commits', `query('create table left_1 (id int)'); await pgm.db.query('commit')`, 'ZF011', true],
  ['commits in one text', `query('create table left_1 (id int); commit; select 1 / 0')`, '22012', true],
  ['rolls back', `query('create table left_1 (id int)'); await pgm.db.query('rollback')`, 'ZF011', false],
  ['goes on alone', `query('rollback'); await pgm.db.query('create table left_1 (id int)')`, 'ZF011', true],
  ['resets all', `query('create table left_1 (id int)'); await pgm.db.query('reset all')`, 'ZF011', false],
])('M16 a program that %s: told whether something of it stands', async (_, asks, sqlstate, stays) => {
  const source = `export const up = async (pgm) => { await pgm.db.${asks}; pgm.sql('create table left_2 (id int)'); };`;
  const program = { entry: 'p.js', sources: { 'p.js': source }, shorthands: {}, up: true, down: false };
  const failed = await errorOf(migrate(laneOfFiles([...(await laneBehind()).files, { ...fileOf(''), program }])));
  expect(failed).toMatchObject({ sqlstate, state_of_database: stays ? 'partly-migrated' : 'unchanged' });
  await expectLeft(stays);
});

/** As no folder and no upload would let it through. */
const fileOf = (sql: string): MigrationFile => ({
  name: fileNow(),
  hash: 'f'.repeat(64),
  up: { transaction: true, statements: [sql] },
  down: null,
  program: null,
  contractRequires: null,
});
async function expectLeft(stays: boolean): Promise<void> {
  expect(await inside(`select relname from pg_class where relname ~ '^left_'`)).toEqual(
    stays ? [{ relname: 'left_1' }] : [],
  );
  await inside('drop table if exists left_1');
}

test('a value added to an enum is used by the next file of the same run', async () => {
  await up(
    "create type mood as enum ('a');",
    "alter type mood add value 'b';",
    "create table m (of mood default 'b');",
  );
  expect(await inside('select name from pgmigrations order by id desc limit 1')).toHaveLength(1);
});

test('D18 no login of the application writes what was applied', async () => {
  for (const table of [
    'freehold.ledger',
    'freehold.progress',
    'freehold.bookkeeping',
    'freehold.identity',
    'public.pgmigrations',
  ])
    expect(
      await inside(`select login from unnest(array['app_a', 'app_b', 'ro']) as login
        where has_table_privilege(current_database() || '_' || login, '${table}', 'insert,update,delete,truncate,trigger')`),
    ).toEqual([]);
  expect(await loginStateOf(cluster.addressOf(id, 'app_a'))).toBe('00000');
});

test('M09 two workers bring one database at once: each file once, both told what is there', async () => {
  const text = 'create table once (id int); insert into once values (1); select pg_sleep(0.2);';
  const lane = await laneBehind(text);
  const other = await openTenantCluster(tenantCluster('b'));
  const addressed = { ...migrateOptions(), lockTimeoutMs: 5_000 };
  const outcomes = await Promise.all([
    cluster.databases.migrate(id, lane, addressed),
    other.databases.migrate(id, lane, { ...addressed, run: randomUUID() }),
  ]);
  expect(outcomes.map((outcome) => outcome.lanes.tenant)).toEqual(
    [1, 2].map(() => ({ version: lane.version, hash: lane.hash })),
  );
  expect(await inside('select count(*)::int as rows from once')).toEqual([{ rows: 1 }]);
  await other.close();
  texts.push(text);
});

test('a one-off statement happens once in a run, whoever is told to do it, and again in the next', async () => {
  const other = await openTenantCluster(tenantCluster('b'));
  const [run, next] = [randomUUID(), randomUUID()];
  const statement = 'insert into once values (2); select pg_sleep(0.2)';
  const exec = (by: TenantCluster, as: string) =>
    by.databases.execOnce(id, as, statement, migrateOptions({ lockTimeoutMs: 5_000 }));
  const outcomes = await Promise.all([exec(cluster, run), exec(other, run)]);
  expect(outcomes.map((outcome) => outcome.outcome).sort()).toEqual(['done', 'noop']);
  expect((await exec(cluster, run)).outcome).toBe('noop');
  expect((await exec(cluster, next)).outcome).toBe('done');
  expect(await inside('select count(*)::int as rows from once where id = 2')).toEqual([{ rows: 2 }]);
  await other.close();
});

test('M07 a probe that does not hold, fails or writes says so; the migration is in place', async () => {
  for (const [at, probe] of [
    'select false',
    'select nonsense',
    'delete from t returning true',
    'select true from t cross join m where false',
  ].entries()) {
    const text = `create table probed_${at} (id int);`;
    const lane = await laneBehind(text);
    expect(await errorOf(migrate(lane, { probe }))).toMatchObject({
      code: 'migration_probe_failed',
      applied: [fileNow()],
    });
    texts.push(text);
  }
  expect((await migrate(await laneBehind(), { probe: 'select true' })).outcome).toBe('noop');
});

test('what the command line has applied and the release does not have next stops everything', async () => {
  await inside(`insert into pgmigrations (name, run_on) values ('999_elsewhere', now())`);
  expect(await errorOf(migrate(await laneBehind('select 9;')))).toMatchObject({
    code: 'release_history_changed',
    state_of_database: 'unchanged',
  });
  await inside(`delete from pgmigrations where name = '999_elsewhere'`);
});
