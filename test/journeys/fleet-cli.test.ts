// A DBA's day with the fleet, through real processes: folder, release, plan, migration, a tenant that fails, its retry, a canary
// that halts, a second person, a rollback, one statement everywhere. Every exit code that scripts branch on.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import type { Client, Tenant } from '../../control-plane/client.ts';
import { openProcessHouse, type ProcessHouse, registerClusters } from '../support/process-house.ts';
import { root, type ServerProcess } from '../support/processes.ts';
import { type CliRun, cliProgram, startCli, startProgram } from '../support/run-cli.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

let house: ProcessHouse;
let server: ServerProcess;
let client: Client;
let home: string;
let folder: string;
const tenants: Tenant[] = [];

beforeAll(async () => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-fleet-'));
  folder = path.join(home, 'migrations');
  fs.cpSync(`${root}/migrations/tenant`, folder, { recursive: true });
  fs.rmSync(path.join(folder, 'schema.sql'), { force: true });
  house = await openProcessHouse();
  server = await house.startControlPlane();
  client = house.client(server);
  await registerClusters(house, client, { warm_min: 0, warm_max: 0 });
  const made = Array.from({ length: 12 }, async (_, i) => {
    const tenant = { slug: `tenant-${i}`, name: `T${i}`, region: i % 2 === 0 ? 'eu' : 'us', plan: 'team' };
    return (await client.tenants.create({ ...tenant, labels: { ring: String(i % 3) } }, { waitSec: 60 })).tenant;
  });
  tenants.push(...(await Promise.all(made)));
}, 120_000);
afterAll(async () => {
  await house?.close();
  fs.rmSync(home, { recursive: true, force: true });
});

const freehold = (args: string[], key = house.ownerKey): Promise<CliRun> =>
  startCli(home, args, { env: { FREEHOLD_URL: server.url, FREEHOLD_API_KEY: key } }).ended;
const lines = (run: CliRun) =>
  run.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; [member: string]: unknown });

let files = 0;
/** One more file in the folder, and the release of it. */
async function release(name: string, up: string, down?: string, head = ''): Promise<void> {
  const section = down === undefined ? '' : `\n-- Down Migration\n${down}\n`;
  fs.writeFileSync(
    path.join(folder, `2026120200000000${files++}_${name}.sql`),
    `${head}-- Up Migration\n${up}\n${section}`,
  );
  const made = await freehold(['releases', 'create', '--folder', folder, '--name', name]);
  expect(made, made.stderr).toMatchObject({ code: 0 });
}

async function inDatabase(slug: string, sql: string): Promise<unknown[]> {
  const tenant = tenants.find((each) => each.slug === slug) as Tenant;
  const { region } = tenant;
  const at = house.tenantServers.find((each) => each.region === region);
  const [row] = await house.inCatalog<{ id: DatabaseId }>('select id from databases where tenant_id = $1', [tenant.id]);
  const { database } = namesOf((row as { id: DatabaseId }).id);
  return superuserSql({ ...(at?.server.address as object), database } as Parameters<typeof superuserSql>[0], sql);
}

const idOf = (run: CliRun) => /rlt_\w{26}/.exec(run.stdout + run.stderr)?.[0] as string;

test('plan, migrate with a tenant that fails (4), retry, watch to the end (0), nothing more to do (0)', async () => {
  await release('marks', 'create table marks (id integer not null);', 'drop table marks;');
  const plan = await freehold(['fleet', 'plan', '--sql', '--label', 'ring:0']);
  expect(plan, plan.stderr).toMatchObject({ code: 0 });
  expect(plan.stdout).toContain('migrate tenant to marks');
  expect(plan.stdout).toContain('create table marks');
  const first = await freehold(['fleet', 'migrate', '--yes']);
  expect(first, first.stderr).toMatchObject({ code: 0 });
  expect(first.stderr).toMatch(/wave 1\/3 canary/);
  expect(first.stderr).toContain('✓ migrate succeeded: 12 done');

  await inDatabase('tenant-7', 'insert into marks values (1), (1)');
  await release(
    'unique-marks',
    'alter table marks add constraint marks_id unique (id);',
    'alter table marks drop constraint marks_id;',
    '-- freehold: allow disallowed-unique-constraint: a table of a test\n',
  );
  const [junit, json] = [path.join(home, 'report.xml'), path.join(home, 'report.json')];
  const reports = ['--report-junit', junit, '--report-json', json];
  const failing = await freehold(['fleet', 'migrate', '--yes', '--max-failures', '2', ...reports]);
  expect(failing, failing.stderr).toMatchObject({ code: 4 });
  expect(failing.stderr).toMatch(/✗ tenant-7 on local-us: 23505 .* in 2026120200000000\d_unique-marks/);
  expect(failing.stderr).toContain('11 of 12 done, 1 in quarantine');
  expect(fs.readFileSync(junit, 'utf8')).toContain('tests="12" failures="1" skipped="0"');
  expect(JSON.parse(fs.readFileSync(json, 'utf8')).members).toHaveLength(12);
  const id = idOf(failing);
  const members = await freehold(['fleet', 'members', id, '--state', 'failed']);
  expect(members.stdout).toMatch(/tenant-7 +local-us .*23505/);
  await inDatabase('tenant-7', 'truncate marks');
  expect(await freehold(['fleet', 'retry', id, '--failed'])).toMatchObject({ code: 0 });
  const watched = await freehold(['fleet', 'watch', id, '--json']);
  expect(watched, watched.stderr).toMatchObject({ code: 0 });
  expect(lines(watched).at(-1)).toMatchObject({
    type: 'rollout',
    rollout: { state: 'succeeded', counts: { done: 12 } },
  });
  const again = await freehold(['fleet', 'migrate']);
  expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining('Nothing is to be done: 12 databases') });
  const shown = await freehold(['fleet', 'list', '--json']);
  expect(JSON.parse(shown.stdout).map((each: { state: string }) => each.state)).toEqual(['succeeded', 'succeeded']);
}, 60_000);

test('M07 a canary that fails halts with the evidence (3); skipped and resumed it ends in quarantine (4)', async () => {
  await release('wide-marks', 'alter table marks add column wide text;', 'alter table marks drop column wide;');
  const planned = JSON.parse((await freehold(['fleet', 'plan', '--json'])).stdout);
  const canary = planned.waves[0].tenants[0] as string;
  await inDatabase(canary, 'alter table marks rename to renamed');
  const halted = await freehold(['fleet', 'migrate', '--yes', '--json']);
  expect(halted, halted.stderr).toMatchObject({ code: 3 });
  expect(halted.stderr).toContain('halted by the rule canary: 1 of the 1 members of the first wave failed');
  expect(halted.stderr).toMatch(/→ freehold fleet abort rlt_/);
  expect(lines(halted).map(({ type }) => type)).toEqual(
    expect.arrayContaining(['plan', 'begun', 'failure', 'rollout']),
  );
  const id = idOf(halted);
  const second = await freehold(['fleet', 'migrate', '--yes']);
  expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('rollout_in_progress') });
  expect(await freehold(['fleet', 'skip', id, '--tenant', canary, '--reason', 'renamed by hand'])).toMatchObject({
    code: 0,
  });
  expect(await freehold(['fleet', 'resume', id, '--reason', 'seen'])).toMatchObject({ code: 0 });
  expect(await freehold(['fleet', 'watch', id])).toMatchObject({ code: 4 });
  await inDatabase(canary, 'alter table renamed rename to marks');
  expect(await freehold(['fleet', 'retry', id, '--tenant', canary])).toMatchObject({ code: 0 });
  expect(await freehold(['fleet', 'watch', id])).toMatchObject({ code: 0 });
}, 60_000);

test('a second person (6 while nobody has approved), Ctrl-C leaves it running, pause, abort (6)', async () => {
  const group = ['groups', 'create', 'banks', '--label', 'ring:0', '--approval', '--window', '00:00-00:00'];
  expect(await freehold(group)).toMatchObject({ code: 0 });
  await release('more-marks', 'create table more_marks (id integer);', 'drop table more_marks;');
  const waiting = await freehold(['fleet', 'migrate', '--yes', '--group', 'banks', '--bake', '1h', '--timeout', '1s']);
  expect(waiting, waiting.stderr).toMatchObject({ code: 6 });
  const id = idOf(waiting);
  expect(waiting.stderr).toContain(`freehold fleet approve ${id}`);
  expect(await freehold(['fleet', 'approve', id])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('second'),
  });
  expect(await freehold(['groups', 'delete', 'banks', '--yes'])).toMatchObject({ code: 1 });
  const { key } = await client.apiKeys.create({ name: 'colleague', role: 'dba' });
  // As if a third person had made it: keys that made each other are one pair of hands.
  await house.inCatalog("update api_keys set created_by = 'key_of_a_third' where name = 'colleague'");
  expect(await freehold(['fleet', 'approve', id], key)).toMatchObject({ code: 0 });
  const watching = startCli(home, ['fleet', 'watch', id], {
    env: { FREEHOLD_URL: server.url, FREEHOLD_API_KEY: house.ownerKey },
  });
  await waitUntil(() => watching.output.stderr.includes('baking'), { what: 'the bake time', timeoutMs: 20_000 });
  watching.child.kill('SIGINT');
  const left = await watching.ended;
  expect(left.code).toBe(130);
  expect(left.stderr).toContain(`Return to it: freehold fleet watch ${id}`);
  expect((await client.rollouts.get(id)).state).toBe('running');
  expect(await freehold(['fleet', 'pause', id])).toMatchObject({ code: 0 });
  expect(await freehold(['fleet', 'abort', id, '--yes', '--reason', 'not today'])).toMatchObject({ code: 0 });
  expect(await freehold(['fleet', 'watch', id])).toMatchObject({ code: 6 });
  expect(await freehold(['groups', 'delete', 'banks', '--yes'])).toMatchObject({ code: 0 });
}, 60_000);

test('M14 a rollback says when there is nothing to undo, and undoes what is declared; exec runs once in each; refusals are 1', async () => {
  const rest = await freehold(['fleet', 'migrate', '--yes']);
  expect(rest, rest.stderr).toMatchObject({ code: 0 });
  const idle = await freehold(['fleet', 'rollback', '--to', 'more-marks']);
  expect(idle).toMatchObject({ code: 0, stderr: expect.stringContaining('Nothing is to be undone') });
  const older = await freehold(['fleet', 'migrate', '--yes', '--to', 'marks']);
  expect(older).toMatchObject({ code: 1, stderr: expect.stringContaining('release_behind') });
  const back = await freehold(['fleet', 'rollback', '--to', 'wide-marks', '--yes', '--tenant', 'tenant-3']);
  expect(back, back.stderr).toMatchObject({ code: 0 });
  expect(await inDatabase('tenant-3', "select to_regclass('more_marks') as there")).toEqual([{ there: null }]);
  const exec = await freehold(['fleet', 'exec', 'insert into marks values (42)', '--yes', '--region', 'us']);
  expect(exec, exec.stderr).toMatchObject({ code: 0 });
  expect(await inDatabase('tenant-1', 'select id from marks')).toEqual([{ id: 42 }]);
  expect(await inDatabase('tenant-2', 'select id from marks')).toEqual([]);
  for (const refused of [
    ['exec', 'commit', '--yes'],
    ['migrate', '--yes', '--to', 'nope'],
    ['migrate', '--yes', '--plan', 'teem'],
    ['migrate', '--yes', '--window', '2020-01-01T00:00Z/2020-01-02T00:00Z'],
  ])
    expect(await freehold(['fleet', ...refused]), refused.join(' ')).toMatchObject({ code: 1 });
  // Nobody can be asked here.
  const unasked = await freehold(['fleet', 'exec', 'select 1']);
  expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
}, 60_000);

const script = ['/usr/bin/script', '/bin/script'].find((file) => fs.existsSync(file));
const terminal = script === undefined ? test.skip : test;
const title = 'on a terminal it asks, draws waves and clusters in place, and wants the name typed for what takes away';
terminal(
  script === undefined ? `${title} (skipped: no "script"; apt-get install bsdutils)` : title,
  async () => {
    await release('last-marks', 'create table last_marks (id bigint);', 'drop table last_marks;');
    const onTerminal = (args: string[], stdin: string) => {
      const command = [process.execPath, cliProgram, 'fleet', ...args].map((word) => `'${word}'`).join(' ');
      const env = { FREEHOLD_URL: server.url, FREEHOLD_API_KEY: house.ownerKey, HOME: home, PATH: '/usr/bin:/bin' };
      return startProgram(script as string, ['-qec', command, '/dev/null'], { ...env, TERM: 'xterm' }, stdin).ended;
    };
    const no = await onTerminal(['migrate'], 'n\n');
    expect(no).toMatchObject({ code: 2, stdout: expect.stringContaining('Nothing was begun.') });
    const yes = await onTerminal(['migrate'], 'y\n');
    expect(yes, yes.stdout).toMatchObject({ code: 0 });
    expect(yes.stdout).toMatch(new RegExp(`${'\u001b'}\\[\\d+A${'\u001b'}\\[0J`));
    expect(yes.stdout).toMatch(/the rest +█{24} \d+\/\d+/);
    expect(yes.stdout).toMatch(/local-eu +█{24} \d+\/\d+/);
    const back = ['rollback', '--to', 'more-marks', '--tenant', 'tenant-1'];
    expect(await onTerminal(back, 'y\n')).toMatchObject({ code: 2, stdout: expect.stringContaining('does not match') });
    const typed = await onTerminal(back, 'more-marks\n');
    expect(typed, typed.stdout).toMatchObject({ code: 0 });
  },
  60_000,
);
