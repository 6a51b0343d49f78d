// Releases over HTTP and by the command line: what a folder becomes, what is refused and why, and that nothing which was sent is
// believed.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readHeads } from '../../catalog/lane-heads.ts';
import { readEntries } from '../../control-plane/migration-files/read-entries.ts';
import { newestOf } from '../../control-plane/rollouts/start/accept-release.ts';
import { lintRelease } from '../../control-plane/rollouts/start/lint-release.ts';
import { registerFolder } from '../../control-plane/rollouts/start/register-folder.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { type CliRun, startCli } from '../support/run-cli.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(async () => {
  await plane?.close();
});

type Sent = { name: string; text: string; makes?: unknown };
const first: Sent = {
  name: '1_tasks.sql',
  text: '-- Up Migration\ncreate table tasks (id bigint primary key);\n-- Down Migration\ndrop table tasks;\n',
};
const second: Sent = { name: '2_title.up.sql', text: 'alter table tasks add column title text;\n' };
const script = (...statements: string[]) => ({ transaction: true, statements });

async function post(files: Sent[], more: object = {}): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await plane.request('POST', '/v1/releases', { as: 'dba', body: { lane: 'tenant', files, ...more } });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

async function releaseCount(): Promise<number> {
  return (await plane.installation.catalog.db.selectFrom('releases').select('id').execute()).length;
}

describe('a release', () => {
  test('is made of the files of a folder, with audit and event; the first of its lane is its head', async () => {
    const { status, body } = await post([first], { name: 'first', notes: 'how it began', app_max: '9' });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      lane: 'tenant',
      name: 'first',
      version: '1',
      is_head: true,
      notes: 'how it began',
      app_min: null,
      app_max: '9',
      files: [{ name: '1_tasks', hash: createHash('sha256').update(first.text).digest('hex'), reversible: true }],
      findings: [],
    });
    const { db } = plane.installation.catalog;
    const audit = await db.selectFrom('audit_entries').selectAll().where('action', '=', 'release.create').execute();
    expect(audit).toMatchObject([{ target_id: body.id, actor: plane.keys.dba.id }]);
    const events = await db.selectFrom('events').selectAll().where('type', '=', 'release.created.v1').execute();
    expect(events).toMatchObject([{ payload: { release_id: body.id, lane: 'tenant', version: '1' } }]);
  });

  test('of the same content is the one that is there, and a later one waits for a rollout', async () => {
    const again = await post([first], { name: 'other' });
    expect([again.status, again.body.name]).toEqual([200, 'first']);
    const later = await post([second, first]);
    expect([later.status, later.body.version, later.body.is_head]).toEqual([201, '2', false]);
    expect(await readHeads(plane.installation.catalog.db)).toMatchObject([{ lane: 'tenant', version: '1' }]);
  });

  test('is read by id and by lane/name, listed by lane, and gives its SQL by range and direction', async () => {
    const client = plane.client('viewer');
    const latest = await client.releases.get('tenant/latest');
    expect(latest.version).toBe('2');
    expect(await client.releases.get(latest.id)).toEqual(latest);
    const { data } = await client.releases.page({ lane: 'tenant', limit: 1 });
    expect(data).toMatchObject([{ id: latest.id, files: 2, is_head: false }]);
    expect((await client.releases.page({ lane: 'core' })).data).toEqual([]);
    const dba = plane.client('dba');
    expect(await dba.releases.sql(latest.id, { from: '1' })).toEqual([
      { name: '2_title', direction: 'up', transaction: true, statements: [second.text] },
    ]);
    const down = await dba.releases.sql('tenant/first', { to: '1', direction: 'down' });
    expect(down[0]?.statements.join('')).toContain('drop table tasks');
    await expect(client.releases.get('tenant/none')).rejects.toMatchObject({ code: 'release_not_found' });
    await expect(client.releases.sql(latest.id)).rejects.toMatchObject({ code: 'role_forbidden' });
    const refused = await plane.request('POST', '/v1/releases', { as: 'operator', body: {} });
    expect(refused.status).toBe(403);
  });
});

describe('what is refused, with nothing made', () => {
  const third = (text: string, name = '3_x.sql'): Sent[] => [first, second, { name, text }];

  test.each<[code: string, files: Sent[], more: object, expected: object]>([
    ['release_history_changed', [{ ...first, text: `${first.text} ` }, second], {}, { detail: /1_tasks was edited/ }],
    [
      'release_history_changed',
      [{ ...first, text: first.text.replaceAll('\n', '\r\n') }],
      {},
      { detail: /1_tasks was edited/ },
    ],
    ['release_history_changed', [second], {}, { detail: /1_tasks was released before and is missing/ }],
    ['release_history_changed', [first, { ...second, name: '2_other.up.sql' }], {}, { detail: /2_title was renamed/ }],
    ['release_history_changed', [...third('select 1;', '0_x.sql')], {}, { detail: /0_x comes before 1_tasks/ }],
    ['migration_invalid', third('select 1;', '2_x.sql'), {}, { detail: /same time stamp/ }],
    [
      'migration_invalid',
      third('select 1;\nselec 2;'),
      {},
      { detail: /line 2, column 1/, file: '3_x.sql', line: 2, column: 1 },
    ],
    ['migration_invalid', third('select 1; commit;'), {}, { detail: /controls the transaction/ }],
    ['migration_invalid', third('select 1;', '../../etc/passwd.sql'), {}, { detail: /is not named/ }],
    ['migration_invalid', [first, second, first], {}, { detail: /one migration twice/ }],
    ['migration_invalid', third('-- freehold: contract requires=4\nselect 1;'), {}, { detail: /not before the file/ }],
    ['migration_invalid', third('export const up = () => {};', '3_x.js'), {}, { detail: /without the SQL/ }],
    [
      'lint_failed',
      third('truncate tasks;'),
      {},
      { detail: /3_x\.sql, line 1: tasks is truncated\. \(ban-truncate\)/ },
    ],
    ['lane_not_found', [first], { lane: 'plugin' }, {}],
    ['lane_reserved', [first], { lane: 'core' }, {}],
    ['app_range_invalid', third('select 1;'), { app_min: '4' }, {}],
    ['app_range_invalid', third('select 1;'), { app_max: '2' }, {}],
    ['name_taken', third('select 1;'), { name: 'first' }, {}],
    ['invalid_body', third('select 1;'), { name: 'latest' }, {}],
    ['invalid_body', third('select \0;'), {}, {}],
    ['invalid_body', [], {}, {}],
    ['invalid_body', third('select 1;'), { hash: 'f' }, {}],
  ])('M05 M15 %s: %j %j', async (code, files, more, { detail, ...extra }: { detail?: RegExp }) => {
    const before = await releaseCount();
    const { status, body } = await post(files, more);
    expect({ code: body.code, isOurs: status >= 500 }).toEqual({ code, isOurs: false });
    if (detail !== undefined) expect(body.detail).toMatch(detail);
    expect(body).toMatchObject(extra);
    expect(await releaseCount()).toBe(before);
  });

  test('M15 each finding says where, why and what to write instead; a waiver lets it pass and stays to be read', async () => {
    const text = 'create index tasks_title on tasks (title);\nset role postgres;\n';
    const refused = await post(third(text));
    expect(refused.body.findings).toMatchObject([
      {
        file: '3_x.sql',
        line: 1,
        rule: 'require-concurrent-index-creation',
        remedy: expect.stringContaining('CONCURRENTLY'),
      },
      { file: '3_x.sql', line: 2, rule: 'changes-role', why: expect.any(String), example: expect.any(String) },
    ]);
    const waived = await post(third('-- freehold: allow ban-truncate: made a moment ago\ntruncate tasks;\n'));
    expect(waived.status).toBe(201);
    expect(waived.body).toMatchObject({
      errors_waived: 1,
      findings: [{ rule: 'ban-truncate', waived: 'made a moment ago' }],
    });
  });

  test('a body of more than 8 MiB is refused, one above the limit of other requests is not', async () => {
    const answer = await post([first, { name: '9_x.sql', text: `select 1; -- ${'x'.repeat(300_000)}` }]);
    expect(answer.body.code).toBe('release_history_changed');
    const large = { name: '9_x.sql', text: `-- ${'x'.repeat(3_000_000)}` };
    const tooLarge = await post([first, large, large, large]);
    expect([tooLarge.status, tooLarge.body.code]).toEqual([413, 'body_too_large']);
  });
});

describe('a builder file', () => {
  const released: Sent[] = [
    first,
    second,
    { name: '3_x.sql', text: '-- freehold: allow ban-truncate: made a moment ago\ntruncate tasks;\n' },
  ];
  const builder = { name: '4_b.js', text: "export const up = (pgm) => pgm.addColumn('tasks', { done: 'boolean' });\n" };
  const makes = { up: script('ALTER TABLE "tasks" ADD "done" boolean;\n'), down: null };

  test('comes with the SQL it makes, which is parsed and linted and told to be generated', async () => {
    const wrong = await post([...released, { ...builder, makes: { ...makes, up: script('drop table tasks;') } }]);
    expect(wrong.body).toMatchObject({ code: 'lint_failed', findings: [{ file: '4_b.js', generated: true }] });
    const broken = await post([...released, { ...builder, makes: { ...makes, up: script('drop tablee;') } }]);
    expect(broken.body).toMatchObject({ code: 'migration_invalid' });
    const made = await post([...released, { ...builder, makes }]);
    expect(made.status).toBe(201);
    expect(made.body.files).toMatchObject([{}, {}, {}, { name: '4_b', reversible: false, program: false }]);
  });

  test('that is released stays what it is, whatever SQL is sent for it later', async () => {
    const other = { up: script('select 1;'), down: script('drop table tasks;') };
    const last = { name: '5_y.sql', text: 'select 5;' };
    const { status, body } = await post([...released, { ...builder, makes: other }, last]);
    expect(status).toBe(201);
    const [sql] = await plane.client('dba').releases.sql(body.id as string, { from: '3', to: '4' });
    expect(sql?.statements).toEqual(makes.up.statements);
  });

  test('that asks the database is taken only where a control plane has it in its folder', async () => {
    const files = [...released, { ...builder, makes }, { name: '5_y.sql', text: 'select 5;' }];
    const program = {
      name: '6_p.js',
      text: 'export const up = async (pgm) => { await pgm.db.select("select 1"); };\n',
    };
    const refused = await post([...files, { ...program, makes: null }]);
    expect(refused.body).toMatchObject({ code: 'program_not_known', file: '6_p.js' });

    const { db } = plane.installation.catalog;
    const empty = script('');
    const folder = await readEntries('tenant', [...files, program], (entry, shorthands) => ({
      up: entry.name === program.name ? empty : makes.up,
      down: null,
      program:
        entry.name === program.name
          ? { entry: entry.name, sources: { [entry.name]: entry.text }, shorthands: {}, up: true, down: false }
          : null,
      contractRequires: null,
      shorthands,
    }));
    const registration = await registerFolder(db, folder, plane.installation.log);
    expect(registration).toMatchObject({ isNew: true, isHead: false });
    const taken = await post([...files, { ...program, makes: null }, { name: '7_z.sql', text: 'select 7;' }]);
    expect(taken.status).toBe(201);
    expect((taken.body.files as { program: boolean }[]).map((file) => file.program)).toEqual([
      ...[false, false, false, false, false],
      ...[true, false],
    ]);
  });
});

test('a folder of a control plane is released with its findings and refused for none of them', async () => {
  const { db } = plane.installation.catalog;
  const noBuilder = () => {
    throw new Error('there is none');
  };
  const entries = [
    { name: '1_a.sql', text: 'create table a (id int);' },
    { name: '2_b.sql', text: 'set role postgres;' },
  ];
  const folder = await readEntries('core', entries, noBuilder);
  expect(await registerFolder(db, folder, plane.installation.log)).toMatchObject({ isNew: true, isHead: true });
  const { findings, warnings } = await plane.client('viewer').releases.get('core/latest');
  expect(findings.map((finding) => finding.rule)).toEqual(['prefer-bigint-over-int', 'changes-role']);
  expect(warnings).toBe(1);
});

test('without its linter a release is refused for a while, and a control plane starts all the same', async () => {
  const { db } = plane.installation.catalog;
  const versions = await db.selectFrom('clusters').select(['id', 'server_version_num']).execute();
  // No server has such a version: squawk ends with a usage error.
  await db.updateTable('clusters').set({ server_version_num: -10_000 }).execute();
  try {
    const latest = await plane.client('dba').releases.get('core/latest');
    const before = await releaseCount();
    const { status, body } = await post([first, second, { name: '3_x.sql', text: 'select 3;' }]);
    expect([status, body.code]).toEqual([409, 'release_history_changed']);
    const files: Sent[] = [
      { name: '1_a.sql', text: 'create table a (id int);' },
      { name: '2_b.sql', text: 'set role postgres;' },
    ];
    const folder = await readEntries('core', [...files, { name: '3_c.sql', text: 'select 3;' }], () => {
      throw new Error('there is none');
    });
    await expect(lintRelease(db, folder, await newestOf(db, 'core'))).rejects.toMatchObject({
      code: 'linter_unavailable',
      spec: { kind: 'unavailable' },
    });
    expect(await releaseCount()).toBe(before);
    const registration = await registerFolder(db, folder, plane.installation.log);
    expect(registration).toMatchObject({ isNew: true, isHead: false, release: { lint: [] } });
    expect(latest.version).toBe('2');
  } finally {
    for (const { id, server_version_num } of versions)
      await db.updateTable('clusters').set({ server_version_num }).where('id', '=', id).execute();
  }
});

describe('the command line', () => {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-releases-'));
  const folder = path.join(home, 'migrations');
  afterAll(() => fs.rmSync(home, { recursive: true }));

  const freehold = (...args: string[]): Promise<CliRun> =>
    startCli(home, args, {
      env: { FREEHOLD_URL: plane.url, FREEHOLD_API_KEY: plane.keys.dba.text, FREEHOLD_TENANT_MIGRATIONS: folder },
    }).ended;
  const write = (file: string, text: string) => fs.writeFileSync(path.join(folder, file), text);

  beforeAll(async () => {
    const newest = await plane.client('dba').releases.get('tenant/latest');
    const known = await plane.client('dba').releases.sql(newest.id);
    expect(known).toHaveLength(newest.files.length);
    fs.mkdirSync(folder);
    for (const { name, text } of [first, second]) write(name, text);
    write('3_x.sql', '-- freehold: allow ban-truncate: made a moment ago\ntruncate tasks;\n');
    write('4_b.js', "export const up = (pgm) => pgm.addColumn('tasks', { done: 'boolean' });\n");
    write('5_y.sql', 'select 5;');
    write('6_p.js', 'export const up = async (pgm) => { await pgm.db.select("select 1"); };\n');
    write('7_z.sql', 'select 7;');
  });

  test('new, list and show: a number behind all others, the state of each file, the SQL of a builder file', async () => {
    const made = await freehold('migrations', 'new', 'due');
    expect(made.stdout).toMatch(/migrations\/\d{17}_due\.sql\n$/);
    const file = made.stdout.trim();
    expect(fs.readFileSync(file, 'utf8')).toMatch(/^-- Up Migration\n\n\n-- Down Migration\n/);
    write(path.basename(file), '-- Up Migration\ncreate index tasks_title on tasks (title);\n');
    const later = (await freehold('migrations', 'new', 'later', '--ts', '--no-transaction')).stdout.trim();
    expect(fs.readFileSync(later, 'utf8')).toContain('pgm.noTransaction();');
    expect(path.basename(later) > path.basename(file)).toBe(true);
    fs.rmSync(later);
    const [list, show] = await Promise.all([
      freehold('migrations', 'list', '--json'),
      freehold('migrations', 'show', '4_b'),
    ]);
    const rows = JSON.parse(list.stdout) as { name: string; state: string; program: boolean }[];
    expect(rows.map((row) => row.state)).toEqual([...Array(7).fill('released'), 'new']);
    expect(rows[5]).toMatchObject({ name: '6_p', program: true });
    expect(show.stdout).toBe('ALTER TABLE "tasks"\n  ADD "done" boolean;\n');
  });

  test('lint: the lines, why and what to write instead; exit code 5; JSON and SARIF', async () => {
    const sarif = path.join(home, 'lint.sarif');
    const [text, json, local] = await Promise.all([
      freehold('migrations', 'lint', '--sarif', sarif),
      freehold('migrations', 'lint', '--json', '--all'),
      freehold('migrations', 'lint', '--local', '--after', '9'),
    ]);
    expect([text.code, json.code, local.code]).toEqual([5, 5, 5]);
    expect(text.stdout).toMatch(/^error {2}\d{17}_due\.sql:2:1 {2}require-concurrent-index-creation\n/);
    expect(text.stdout).toContain('2 | create index tasks_title on tasks (title);');
    expect(text.stdout).toContain('create index concurrently');
    expect(text.stderr).toContain('1 error, 0 warnings, 0 waived in 1 new file.');
    const { findings, released } = JSON.parse(json.stdout);
    expect(released).toBe(7);
    expect(findings.map((each: { rule: string; history: boolean }) => [each.rule, each.history])).toEqual([
      ['ban-truncate', true],
      ['require-concurrent-index-creation', false],
    ]);
    expect(JSON.parse(fs.readFileSync(sarif, 'utf8')).runs[0].results).toHaveLength(1);
  });

  test('releases create is refused with the lines, and then makes what list and show give', async () => {
    const refused = await freehold('releases', 'create');
    expect([refused.code, refused.stdout]).toEqual([5, '']);
    expect(refused.stderr).toContain('2 | create index tasks_title on tasks (title);');
    expect(refused.stderr).toMatch(/code +lint_failed/);
    const [file] = fs.readdirSync(folder).filter((each) => each.endsWith('_due.sql')) as [string];
    const safe = '-- freehold: no-transaction\ncreate index concurrently tasks_title on tasks (title);\n';
    write(file, safe);
    const made = await freehold('releases', 'create', '--name', 'with-index', '--notes', 'quick titles', '--json');
    expect({ code: made.code, stderr: made.code === 0 ? '' : made.stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(made.stdout)).toMatchObject({ name: 'with-index', is_head: false, notes: 'quick titles' });
    const [list, show, sql, none] = await Promise.all([
      freehold('releases', 'list', '--lane', 'tenant', '--limit', '1'),
      freehold('releases', 'show', 'with-index'),
      freehold('releases', 'show', 'latest', '--sql', '--from', '7'),
      freehold('releases', 'show', 'never'),
    ]);
    expect(list.stdout).toMatch(/^with-index +tenant +\d{17} +8 /m);
    expect(show.stdout).toMatch(/^files +1_tasks$/m);
    expect(sql.stdout).toMatch(/^-- \d{17}_due, up, statement by statement\ncreate index concurrently/);
    expect([none.code, none.stderr]).toEqual([4, expect.stringContaining('release_not_found')]);
  });

  test('M05 a builder file is another one when a file that it imports was edited', async () => {
    const file = '99991231235959000_i.ts';
    fs.mkdirSync(path.join(folder, 'names'));
    const table = (name: string) => write('names/table.ts', `export const table = '${name}';\n`);
    table('made');
    write(
      file,
      "import { table } from './names/table';\nexport const up = (pgm) => pgm.createTable(table, { id: 'id' });\n",
    );
    const create = () => freehold('releases', 'create', '--json');
    const made = await create();
    expect({ code: made.code, stderr: made.code === 0 ? '' : made.stderr }).toEqual({ code: 0, stderr: '' });
    const again = await create();
    expect(JSON.parse(again.stdout).id).toBe(JSON.parse(made.stdout).id);
    table('other');
    const edited = await create();
    expect(edited.stdout).toBe('');
    expect(edited.stderr).toContain('release_history_changed');
    expect(edited.stderr).toContain('99991231235959000_i was edited');
    table('made');
  });

  test('bad input: no folder, no lane, a file that does not parse with its line and column', async () => {
    write('99991231235959999_bad.sql', 'select 1;\nselec 2;');
    const [noFolder, noLane, bad] = await Promise.all([
      freehold('migrations', 'lint', '--folder', path.join(home, 'none'), '--json'),
      freehold('migrations', 'list', '--lane', 'plugin', '--json'),
      freehold('releases', 'create', '--json'),
    ]);
    expect(
      [noFolder, noLane, bad].map((run) => [run.code, JSON.parse(run.stderr.trim().split('\n').at(-1) ?? '').code]),
    ).toEqual([
      [2, 'migration_invalid'],
      [2, 'lane_not_found'],
      [2, 'migration_invalid'],
    ]);
    expect(bad.stderr).toContain('line 2, column 1');
  });
});
