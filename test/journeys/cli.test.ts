// The command line as people and scripts see it: real processes against a real control plane over HTTP. Every command runs here at
// least once; what is said is one thing for all of them: data on stdout, the rest on stderr, exit codes as documented.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FsckReport } from '../../control-plane/fsck/report.ts';
import { type PrivateCluster, startPrivateCluster } from '../support/clusters.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { type CliOptions, type CliRun, cliProgram, startCli, startProgram } from '../support/run-cli.ts';
import { projectRoot } from '../support/source-files.ts';
import { waitUntil } from '../support/wait-until.ts';

let plane: ControlPlane;
let spare: PrivateCluster;
let home: string;
/** What the control plane's fsck finds now: fsck itself has its own tests. */
let report: FsckReport;

const counts = { clusters: 2, databases: 1, roles: 6, routes: 1, secrets: 4, looked_into: 1, not_looked_into: 0 };
const cleanReport: FsckReport = { clean: true, checked: counts, findings: [], inProgress: [], durationMs: 12 };

beforeAll(async () => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-home-'));
  report = cleanReport;
  [plane, spare] = await Promise.all([
    startControlPlane({ fsck: async ({ deep }) => ({ ...report, checked: { ...counts, looked_into: deep ? 1 : 0 } }) }),
    startPrivateCluster(),
  ]);
  await plane.installation.catalog.db
    .insertInto('reconcilers')
    .values({ name: 'cluster-health' })
    .onConflict((oc) => oc.doNothing())
    .execute();
});

afterAll(async () => {
  await Promise.all([plane?.close(), spare?.remove()]);
  fs.rmSync(home, { recursive: true, force: true });
});

const asOwner = () => ({ FREEHOLD_URL: plane.url, FREEHOLD_API_KEY: plane.keys.owner.text });

async function freehold(args: string[], { env = {}, ...options }: CliOptions = {}): Promise<CliRun> {
  return await startCli(home, args, { ...options, env: { ...asOwner(), ...env } }).ended;
}

/** Succeeds, and gives what --json prints. */
// biome-ignore lint/suspicious/noExplicitAny: the shapes are asserted where they are used
async function json(...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await freehold([...args, '--json']);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

const create = (slug: string, ...more: string[]) => [
  ...['tenants', 'create', slug, '--name', `The ${slug}`, '--region', 'here', '--plan', 'team'],
  ...more,
];

describe('tenants', () => {
  test('create waits, tells each step on stderr and shows the tenant on stdout', async () => {
    const run = await freehold(create('acme', '--label', 'team=blue'));
    expect(run.code).toBe(0);
    expect(run.stderr).toMatch(/provision-tenant opr_/);
    expect(run.stderr).toMatch(/ {2}activate: done in \d+ ms/);
    expect(run.stderr).toMatch(/✓ provision-tenant succeeded in/);
    expect(run.stdout).toMatch(/^slug +acme$/m);
    expect(run.stdout).toMatch(/^state +active$/m);
    expect(run.stdout).not.toContain('\x1b');
  });

  test('create --json gives tenant and operation as the API does, and the same key makes no second tenant', async () => {
    const first = await json(...create('again', '--idempotency-key', 'k1'));
    expect(first).toMatchObject({ tenant: { slug: 'again', state: 'active' }, operation: { state: 'succeeded' } });
    const second = await json(...create('again', '--idempotency-key', 'k1'));
    expect(second.tenant.id).toBe(first.tenant.id);
  });

  test('list, get and update', async () => {
    const [table, rows, few] = await Promise.all([
      freehold(['tenants', 'list']),
      json('tenants', 'list', '--label', 'team=blue', '--state', 'active'),
      freehold(['tenants', 'list', '--limit', '1']),
    ]);
    expect(table.stdout).toMatch(/^SLUG +STATE +REGION +PLAN +NAME +LABELS +CREATED +ID$/m);
    expect(table.stdout).toMatch(/^acme +active +here +team +The acme +team=blue /m);
    expect(rows.map((row: { slug: string }) => row.slug)).toEqual(['acme']);
    expect(few.stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(few.stderr).toContain('--all');
    const change = ['--name', 'Acme & Sons', '--label', 'tier=gold', '--remove-label', 'team'];
    const changed = await json('tenants', 'update', 'acme', ...change);
    expect(changed).toMatchObject({ name: 'Acme & Sons', labels: { tier: 'gold' } });
    expect(await json('tenants', 'get', changed.id)).toEqual(changed);
    expect(await json('tenants', 'list', '--all')).toHaveLength(2);
  });

  test('suspend, resume, delete, undelete, purge', async () => {
    const moved = async (...args: string[]) => (await json('tenants', ...args)).tenant.state;
    expect(await moved('suspend', 'acme')).toBe('suspended');
    expect(await moved('resume', 'acme')).toBe('active');
    const asked = await freehold(['tenants', 'delete', 'acme']);
    expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining('--yes')]);
    expect(await moved('delete', 'acme', '--yes')).toBe('deleted');
    expect(await moved('undelete', 'acme')).toBe('active');
    expect(await moved('delete', 'again', '--yes')).toBe('deleted');
    expect(await moved('purge', 'again', '--yes')).toBe('purged');
  });

  test('what the API refuses is told with title, code, request id and next step', async () => {
    const [taken, region, missing, wrongState, slug] = await Promise.all([
      freehold(create('acme')),
      freehold(['tenants', 'create', 'x-1', '--name', 'X', '--region', 'mars', '--plan', 'team']),
      freehold(['tenants', 'get', 'nobody']),
      freehold(['tenants', 'resume', 'acme', '--json']),
      freehold(create('Not-A-Slug')),
    ]);
    expect(taken.code).toBe(1);
    expect(taken.stderr).toMatch(/^✗ .+\n {2}.+\n {2}code {8}slug_taken\n {2}request id {2}\S+\n {2}→ http/);
    expect(region.stderr).toContain('→ Regions: here');
    expect([missing.code, missing.stdout]).toEqual([4, '']);
    expect(missing.stderr).toContain('tenant_not_found');
    expect([wrongState.code, wrongState.stdout]).toEqual([1, '']);
    expect(JSON.parse(wrongState.stderr)).toMatchObject({ code: 'wrong_state', status: 409, state: 'active' });
    expect(slug.code).toBe(2);
    expect(slug.stderr).toContain('/slug ');
  });
});

describe('operations', () => {
  test('--no-wait returns at once; --timeout ends with 3; get, list, watch and cancel', async () => {
    plane.hold();
    try {
      const started = await freehold(create('slow', '--no-wait'));
      expect(started.code).toBe(0);
      const id = /freehold operations watch (opr_\w+)/.exec(started.stderr)?.[1] as string;
      const late = await freehold(['operations', 'watch', id, '--timeout', '300ms']);
      expect([late.code, late.stdout]).toEqual([3, '']);
      expect(late.stderr).toContain(`→ freehold operations watch ${id}`);
      expect(await json('operations', 'list', '--tenant', 'slow', '--state', 'pending')).toMatchObject([{ id }]);
      expect(await json('operations', 'cancel', id, '--no-wait')).toMatchObject({ id, cancel_requested: true });
      const watching = startCli(home, ['operations', 'watch', id, '--json'], { env: asOwner() });
      await waitUntil(() => watching.output.stdout.includes('\n'), { what: 'the present state' });
      plane.letGo();
      const watched = await watching.ended;
      expect(watched.code).toBe(1);
      const states = watched.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).state);
      expect([states[0], states.at(-1)]).toEqual(['pending', 'cancelled']);
      expect(watched.stderr).toContain('provision-tenant cancelled');
      const shown = await freehold(['operations', 'get', id]);
      expect(shown.stdout).toMatch(/^state +cancelled$/m);
      const again = await freehold(['operations', 'retry', id]);
      expect([again.code, again.stderr]).toEqual([0, expect.stringContaining('✓ provision-tenant succeeded')]);
      const over = await freehold(['operations', 'retry', id]);
      expect([over.code, over.stderr]).toEqual([1, expect.stringContaining('not_retryable')]);
    } finally {
      plane.letGo();
    }
  });

  test('Ctrl-C ends the waiting, not the operation, and says how to look again', async () => {
    plane.hold();
    try {
      const running = startCli(home, create('patient'), { env: asOwner() });
      await waitUntil(() => /opr_\w+/.test(running.output.stderr), { what: 'the operation to be named' });
      running.child.kill('SIGINT');
      const run = await running.ended;
      expect(run.code).toBe(130);
      const [, id] = /Look again: freehold operations watch (opr_\w+)/.exec(run.stderr) ?? [];
      expect(run.stderr).toContain('provision-tenant goes on on the server');
      plane.letGo();
      const watched = await freehold(['operations', 'watch', id as string]);
      expect([watched.code, watched.stdout]).toEqual([0, 'succeeded\n']);
    } finally {
      plane.letGo();
    }
  });
});

describe('keys and tokens', () => {
  test('tokens mint prints the token and nothing else', async () => {
    const run = await freehold(['tokens', 'mint', 'acme', '--scope', 'sql', '--ttl', '10m', '--subject', 'cron']);
    expect([run.code, run.stderr]).toEqual([0, '']);
    const [, body] = run.stdout.split('.') as [string, string];
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
    expect(claims).toMatchObject({ sub: 'cron', scope: 'sql' });
    expect(claims.exp - claims.iat).toBe(600);
  });

  test('keys create prints the key alone; it works until it is revoked', async () => {
    const created = await freehold(['keys', 'create', 'ci', '--role', 'viewer', '--expires-in', '1d']);
    expect(created.stdout).toMatch(/^fhk_\w{26}_[\w-]{43}\n$/);
    const id = /key_\w+/.exec(created.stderr)?.[0] as string;
    const env = { FREEHOLD_API_KEY: created.stdout.trim() };
    const me = await freehold(['me', '--json'], { env });
    expect(JSON.parse(me.stdout)).toMatchObject({ api_key_id: id, role: 'viewer' });
    const refused = await freehold(['keys', 'list'], { env });
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('freehold me')]);
    const listed = await json('keys', 'list');
    expect(listed.find((key: { id: string }) => key.id === id)).toMatchObject({ name: 'ci' });
    expect(await json('keys', 'revoke', id)).toMatchObject({ id, revoked_at: expect.any(String) });
    const after = await freehold(['me'], { env });
    expect([after.code, after.stdout]).toEqual([2, '']);
  });

  test('keys generate needs no server', async () => {
    const env = { FREEHOLD_URL: '', FREEHOLD_API_KEY: '' };
    const [owner, sealing] = await Promise.all([
      freehold(['keys', 'generate'], { env }),
      freehold(['keys', 'generate', '--sealing', '--json'], { env }),
    ]);
    expect(owner.stdout).toMatch(/^fhk_\w{26}_[\w-]{43}\n$/);
    expect(JSON.parse(sealing.stdout)).toEqual({
      variable: 'FREEHOLD_SEALING_KEYS',
      value: expect.stringMatching(/^k\d{8}:[\w+/]{43}=$/),
    });
  });

  test('signing keys rotate, and one that leaked is revoked', async () => {
    const before = await json('signing-keys', 'list');
    const rotated = await json('signing-keys', 'rotate');
    expect(rotated.state).toBe('active');
    const old = before.find((key: { state: string }) => key.state === 'active');
    const asked = await freehold(['signing-keys', 'revoke', old.kid]);
    expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining('--yes')]);
    expect(await json('signing-keys', 'revoke', old.kid, '--yes')).toMatchObject({ kid: old.kid, state: 'revoked' });
  });
});

describe('clusters and plans', () => {
  test('a cluster is added by a URL on stdin that is never shown, then updated, drained and activated', async () => {
    const { host, port, user, password, database } = spare.address;
    const url = `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`;
    const limits = ['--capacity', '5', '--connection-budget', '40', '--warm-min', '0', '--warm-max', '0'];
    const add = ['clusters', 'add', 'three', '--region', 'there', ...limits];
    const none = await freehold(add);
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('--superuser-url-env')]);
    const added = await freehold([...add, '--superuser-url', '-'], { stdin: `${url}\n` });
    expect([added.code, added.stderr.includes(password), added.stdout.includes(password)]).toEqual([0, false, false]);
    expect(added.stdout).toMatch(/^databases +0 of 5$/m);
    const twice = await freehold([...add, '--superuser-url-env', 'PG'], { env: { PG: url } });
    expect([twice.code, twice.stderr]).toEqual([1, expect.stringContaining('name_taken')]);
    const changed = await json('clusters', 'update', 'three', '--capacity', '6');
    expect(changed).toMatchObject({ name: 'three', capacity: 6 });
    expect(await json('clusters', 'drain', 'three')).toMatchObject({ state: 'draining' });
    expect(await json('clusters', 'activate', changed.id)).toMatchObject({ state: 'active' });
    expect(await json('clusters', 'get', 'three')).toMatchObject({ id: changed.id });
    expect(await json('clusters', 'list', '--region', 'there')).toHaveLength(1);
    const listed = await freehold(['clusters', 'list', '--region', 'there']);
    expect(listed.stdout).toMatch(/^three .* 0\/6 +0 \(0–0\) /m);
    const upgraded = await freehold(['clusters', 'upgrade', 'three', '--superuser-url', '-'], { stdin: `${url}\n` });
    expect([upgraded.code, upgraded.stderr.includes(password)]).toEqual([0, false]);
    expect(upgraded.stdout).toMatch(/^databases +0 of 6$/m);
  });

  test('plans list and create', async () => {
    const limits = ['--limit', 'sql_api=true', '--limit', 'statement_timeout_ms=5000'];
    const plan = await json('plans', 'create', 'trial', '--title', 'Trial', ...limits, '--tenants-max', '3');
    expect(plan).toMatchObject({ tenants_max: 3, limits: { sql_api: true, statement_timeout_ms: 5000 } });
    const listed = await freehold(['plans', 'list']);
    expect(listed.stdout).toMatch(/^trial +active +3 {2}Trial/m);
    const wrong = await freehold(['plans', 'create', 'other', '--title', 'Other', '--limit', 'speed=11']);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('/limits/speed')]);
  });
});

describe('the installation', () => {
  test('audit, reconcilers, runtimes, status and me', async () => {
    const [audit, reconcilers, run, unknown, runtimes, status, me] = await Promise.all([
      json('audit', 'list', '--action', 'tenant.suspend'),
      json('reconcilers', 'list'),
      json('reconcilers', 'run', 'cluster-health'),
      freehold(['reconcilers', 'run', 'nonsense']),
      json('runtimes', 'list'),
      freehold(['status']),
      freehold(['me']),
    ]);
    expect(audit).toMatchObject([{ action: 'tenant.suspend', actor: plane.keys.owner.id }]);
    expect(reconcilers).toMatchObject([{ name: 'cluster-health' }]);
    expect(run).toMatchObject({ name: 'cluster-health' });
    expect(unknown.code).toBe(4);
    expect(runtimes).toEqual([]);
    expect(status.code).toBe(0);
    expect(status.stdout).toMatch(/^ready {2}catalog ok {2}schema ok {2}queue ok$/m);
    expect(status.stdout).toMatch(/^one +active +healthy/m);
    expect(me.stdout).toMatch(/^role +owner$/m);
  });

  test('fsck: 0 when clean, 5 with a table and next steps when something was found', async () => {
    const [clean, shallow] = await Promise.all([freehold(['fsck']), json('fsck', '--no-deep')]);
    expect(clean.stderr).toContain('2 clusters, 1 databases');
    expect(shallow.checked.looked_into).toBe(0);
    expect([clean.code, clean.stdout]).toEqual([0, '✓ clean\n']);
    const finding = {
      code: 'database_without_row',
      severity: 'error',
      object: 't_x',
      message: 'A database without a row.',
      cause: 'A restore of the catalog.',
      next: 'Ask a DBA.',
    } as unknown as FsckReport['findings'][number];
    report = { ...cleanReport, clean: false, findings: [finding] };
    const found = await freehold(['fsck']);
    expect(found.code).toBe(5);
    expect(found.stdout).toMatch(/^error +database_without_row +t_x +- +A database without a row\.$/m);
    expect(found.stdout).toContain('→ Ask a DBA.');
    const asJson = await freehold(['fsck', '--json']);
    expect(asJson.code).toBe(5);
    expect(JSON.parse(asJson.stdout)).toMatchObject({ clean: false, findings: [{ code: 'database_without_row' }] });
    report = cleanReport;
  });
});

describe('usage', () => {
  test('a wrong key, a server that is away, a profile that is missing, a typo, a noun alone', async () => {
    const [key, away, profile, noun, verb, alone] = await Promise.all([
      freehold(['tenants', 'list'], { env: { FREEHOLD_API_KEY: 'fhk_wrong' } }),
      freehold(['fsck'], { env: { FREEHOLD_URL: 'http://127.0.0.1:1' } }),
      freehold(['tenants', 'list', '--profile', '/nowhere.json']),
      freehold(['tenant', 'list']),
      freehold(['tenants', 'supend', 'acme']),
      freehold(['tenants']),
    ]);
    expect([key.code, key.stderr]).toEqual([2, expect.stringContaining('FREEHOLD_API_KEY')]);
    expect(key.stderr).not.toContain('fhk_wrong');
    expect([away.code, away.stderr]).toEqual([1, expect.stringContaining('cannot be reached')]);
    expect([profile.code, profile.stderr]).toEqual([2, expect.stringContaining('/nowhere.json')]);
    expect([noun.code, noun.stderr]).toEqual([2, expect.stringContaining('Did you mean tenants?')]);
    expect([verb.code, verb.stderr]).toEqual([2, expect.stringContaining('Did you mean suspend?')]);
    expect([alone.code, alone.stdout, alone.stderr]).toEqual([
      2,
      '',
      expect.stringContaining('Usage: freehold tenants'),
    ]);
    for (const run of [key, away, profile, noun, verb]) expect(run.stdout).toBe('');
  });

  /** A developer's clone may have one. */
  const cloneHasProfile = fs.existsSync(path.join(projectRoot, 'data/profile.json'));
  test.skipIf(cloneHasProfile)(
    'without any profile: what to do (skipped where npm start has written one)',
    async () => {
      const run = await startCli(home, ['tenants', 'list']).ended;
      expect(run.code).toBe(2);
      expect(run.stderr).toMatch(/^✗ No server and no API key are configured\.\n {2}→ .*npm start/);
    },
  );

  test('the profile of the home folder is found last, and named by me', async () => {
    const file = path.join(home, 'xdg/freehold/profile.json');
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, JSON.stringify({ url: plane.url, api_key: plane.keys.dba.text }));
    const run = await startCli(home, ['me', '--profile', file]).ended;
    expect([run.code, run.stdout]).toEqual([0, expect.stringMatching(/^role +dba$/m)]);
  });

  test('--help and --version are answers; FORCE_COLOR and NO_COLOR decide about colour', async () => {
    const [help, version, forced, none, completion] = await Promise.all([
      freehold(['--help']),
      freehold(['--version']),
      freehold(['tenants', 'list'], { env: { FORCE_COLOR: '1' } }),
      freehold(['tenants', 'list'], { env: { NO_COLOR: '1' } }),
      freehold(['completion', 'bash']),
    ]);
    expect([help.code, help.stdout]).toEqual([0, expect.stringMatching(/Exit codes:\n {2}0 +done/)]);
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(forced.stdout).toContain('\x1b[');
    expect(none.stdout).not.toContain('\x1b[');
    const script = path.join(home, 'completion.bash');
    const typed = 'COMP_WORDS=(freehold tenants su); COMP_CWORD=2; _freehold; echo $COMPREPLY';
    fs.writeFileSync(script, `${completion.stdout}\n${typed}\n`);
    expect((await startProgram('/bin/bash', [script], {}).ended).stdout).toBe('suspend\n');
  });
});

describe('on a terminal', () => {
  const script = ['/usr/bin/script', '/bin/script'].find((file) => fs.existsSync(file));
  const terminal = script === undefined ? test.skip : test;
  const title = 'steps are drawn in place, with colour, and names are asked for';
  terminal(script === undefined ? `${title} (skipped: no "script"; apt-get install bsdutils)` : title, async () => {
    const onTerminal = (args: string[], stdin?: string) => {
      const command = [process.execPath, cliProgram, ...args].map((word) => `'${word}'`).join(' ');
      const env = { HOME: home, PATH: '/usr/bin:/bin', TERM: 'xterm', SHELL: '/bin/sh', ...asOwner() };
      return startProgram(script as string, ['-qec', command, '/dev/null'], env, stdin).ended;
    };
    const suspended = await onTerminal(['tenants', 'suspend', 'acme']);
    expect(suspended.code).toBe(0);
    const redraw = new RegExp(`${'\u001b'}\\[\\d+A${'\u001b'}\\[0J`);
    expect(suspended.stdout).toMatch(redraw);
    expect(suspended.stdout).toContain('\x1b[32m✓\x1b[39m');
    const wrong = await onTerminal(['tenants', 'delete', 'acme'], 'amce\n');
    expect([wrong.code, wrong.stdout]).toEqual([2, expect.stringContaining('Nothing was changed')]);
    const right = await onTerminal(['tenants', 'delete', 'acme', '--quiet'], 'acme\n');
    expect([right.code, right.stdout]).toEqual([0, expect.stringMatching(/state.* deleted/)]);
  });
});
