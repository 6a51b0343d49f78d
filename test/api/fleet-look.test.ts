// Where the fleet stands, and one statement read from all of it: over HTTP, on real databases, with tenants that cannot answer.
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import type { KyselyPlugin } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import { readFleetStatus } from '../../catalog/fleet-status.ts';
import { namesOf } from '../../catalog/names.ts';
import { rolloutPolicySchema } from '../../catalog/rollout-policy.ts';
import { createClient, type FleetQuery, type FleetQueryLine } from '../../control-plane/client.ts';
import { startSuspendTenant } from '../../control-plane/operations/start/start-suspend-tenant.ts';
import { planRollout } from '../../control-plane/rollouts/look/plan-rollout.ts';
import { createRollout } from '../../control-plane/rollouts/start/create-rollout.ts';
import { registerRelease } from '../../control-plane/rollouts/start/register-release.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import {
  beginRollout,
  createFleetTenants,
  type FleetTenant,
  fleetWork,
  inDatabase,
  laneWith,
  runToEnd,
} from '../support/fleet.ts';
import { startCli } from '../support/run-cli.ts';

let plane: ControlPlane;
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-fleet-'));
let tenants: FleetTenant[];
const caller = systemCaller('test');
beforeAll(async () => {
  plane = await startControlPlane();
  const { installation } = plane;
  for (const lane of installation.lanes) await registerRelease(installation.catalog.db, { lane }, caller);
  tenants = await createFleetTenants(installation, 5);
  for (const [i, tenant] of tenants.entries()) {
    const { owner, logins } = namesOf(tenant.databaseId);
    await inDatabase(
      installation,
      tenant,
      `set role ${owner}; create table public.notes (id bigint, amount numeric, body text);
       insert into public.notes values (9007199254740993, 0.1 * ${i}, 'note of ${tenant.slug}'), (1, 1000.005, null);
       create sequence public.counter;
       create function public.sneak() returns int language sql as 'insert into public.notes values (7) returning 1';
       create function public.slow() returns void language sql as 'select pg_catalog.pg_sleep(${i === 0 ? 30 : 0})';
       grant usage on public.counter to ${logins.ro}; grant insert on public.notes to ${logins.ro}`,
    );
  }
});
afterAll(async () => {
  await plane.close();
  fs.rmSync(home, { recursive: true });
});

async function ask(query: FleetQuery): Promise<FleetQueryLine[]> {
  return Array.fromAsync(plane.client('dba').fleet.query(query));
}
const of = <T extends FleetQueryLine['type']>(lines: readonly FleetQueryLine[], type: T) =>
  lines.filter((line): line is Extract<FleetQueryLine, { type: T }> => line.type === type);
const slugs = () => tenants.map(({ slug }) => slug).sort();

describe('a fleet query', () => {
  test('reads every tenant as its read-only login, says who it was, and leaves an audit entry', async () => {
    const statement = 'select id, amount, body, session_user::text as me from notes order by id desc -- a comment';
    const lines = await ask({ statement });
    expect(lines[0]).toEqual({ type: 'begin', databases: 5 });
    const answers = of(lines, 'answer');
    expect(answers.map(({ slug }) => slug).sort()).toEqual(slugs());
    for (const { slug, database_id, columns, rows } of answers) {
      const me = namesOf(database_id as `dbs_${string}`).logins.ro;
      expect(columns.map(({ type }) => type)).toEqual(['bigint', 'numeric', 'text', 'text']);
      expect(rows).toEqual([
        ['9007199254740993', expect.any(String), `note of ${slug}`, me],
        ['1', '1000.005', null, me],
      ]);
    }
    expect(lines.at(-1)).toMatchObject({ type: 'summary', databases: 5, answered: 5, unanswered: 0, rows: 10 });
    const [entry] = (await plane.client('owner').audit.page({ action: 'fleet.query' })).data;
    expect(entry).toMatchObject({ actor: plane.keys.dba.id, detail: { statement, selection: {}, databases: 5 } });
  });

  test('whom it asks is said in the words of a rollout; a name that nobody has is told', async () => {
    const asked = async (selection: FleetQuery['selection']) =>
      of(await ask({ statement: 'select 1', selection }), 'answer')
        .map(({ slug }) => slug)
        .sort();
    const [one, two] = tenants as [FleetTenant, FleetTenant];
    expect(await asked({ slugs: [one.slug, two.tenantId] })).toEqual([one.slug, two.slug].sort());
    expect(await asked({ filter: `slug = '${one.slug}' or slug like 'fleet-3%'` })).toEqual(
      [one.slug, 'fleet-3'].sort(),
    );
    const onOne = tenants.filter(({ cluster }) => cluster === 0).map(({ slug }) => slug);
    expect(await asked({ clusters: ['one'], plans: ['team'] })).toEqual(onOne.sort());
    const refused = async (selection: object) =>
      (
        await plane.request('POST', '/v1/fleet/query', { as: 'dba', body: { statement: 'select 1', selection } })
      ).json();
    expect(await refused({ slugs: [one.slug, 'nobody'] })).toMatchObject({ code: 'selection_invalid' });
    expect(await refused({ filter: "slug = 'nobody'" })).toMatchObject({ code: 'selection_empty' });
    expect(await refused({ group: 'gone' })).toMatchObject({ code: 'target_group_not_found' });
    expect(await refused({ colour: ['red'] })).toMatchObject({ code: 'invalid_body' });
  });

  test.each([
    'insert into notes values (1)',
    'with gone as (delete from notes returning *) select * from gone',
    'select * into copied from notes',
    'select * from notes for update',
    'copy notes to stdout',
    'do $$ begin delete from notes; end $$',
    'select 1; delete from notes',
    'call proc()',
    'set role postgres',
    'explain analyze delete from notes',
    'selec 1',
    '',
  ])('a statement that is not one reading one is refused before anybody is asked: %s', async (statement) => {
    const answer = await plane.request('POST', '/v1/fleet/query', { as: 'dba', body: { statement } });
    expect(await answer.json()).toMatchObject({
      status: 400,
      code: statement === '' ? 'invalid_body' : 'statement_refused',
    });
  });

  test.each([
    ["select nextval('counter')", '25006'],
    ['select sneak()', '25006'],
    ["select setval('counter', 5)", '42501'],
    ["select set_config('transaction_read_only', 'off', true)", '25001'],
    ["select * from dblink('dbname=postgres', 'select 1') as t(a int)", '42883'],
    ["select pg_notify('a', 'b')", '42501'],
    ['select pg_advisory_lock(1)', '42501'],
    ['select lo_create(0)', '42501'],
    ["select pg_read_file('/etc/passwd')", '42501'],
    ['select * from pg_stat_activity', '42501'],
  ])('what only shows when it runs is refused by the server: %s', async (statement, code) => {
    const lines = await ask({ statement });
    expect(of(lines, 'unanswered').map((line) => line.code)).toEqual(slugs().map(() => code));
    expect(lines.at(-1)).toMatchObject({ answered: 0, unanswered: 5 });
    for (const tenant of tenants) {
      const [row] = await inDatabase<{ n: string }>(
        plane.installation,
        tenant,
        'select count(*) as n from public.notes',
      );
      expect(row?.n).toBe('2');
    }
  });

  test('a slow tenant, too much text and too many rows cost only their own answer, and are named', async () => {
    const slow = await ask({ statement: 'select slow()', timeout_ms: 300 });
    expect(of(slow, 'unanswered')).toMatchObject([{ slug: tenants[0]?.slug, code: '57014' }]);
    expect(of(slow, 'answer')).toHaveLength(4);
    const big = await ask({ statement: "select repeat('x', 5000000)", selection: { slugs: ['fleet-1'] } });
    expect(of(big, 'unanswered')).toMatchObject([{ code: 'ResultTooLargeError' }]);
    const many = await ask({ statement: 'select generate_series(1, 100)', row_limit: 3 });
    expect(of(many, 'answer').every(({ rows, truncated }) => rows.length === 3 && truncated)).toBe(true);
    expect(many.at(-1)).toMatchObject({ truncated: 5, rows: 15 });
  });

  test('a suspended tenant and a dead cluster are named, and everybody else answers', async () => {
    const { installation } = plane;
    const suspended = tenants.find(({ cluster }) => cluster === 0) as FleetTenant;
    await installation.run(
      (await startSuspendTenant(installation.catalog.db, suspended.tenantId, caller)).operation.id,
    );
    const [, second] = installation.clusters;
    await second.server.stop('immediate');
    try {
      const lines = await ask({ statement: 'select 1' });
      const dead = tenants.filter(({ cluster }) => cluster === 1).map(({ slug }) => [slug, 'unreachable']);
      const named = of(lines, 'unanswered').map(({ slug, code }) => [slug, code]);
      expect(named.sort()).toEqual([...dead, [suspended.slug, 'closed']].sort());
      expect(lines.at(-1)).toMatchObject({ answered: 5 - named.length, unanswered: named.length });
      expect(JSON.stringify(named)).not.toContain(String(second.server.address.port));
    } finally {
      await second.server.start();
    }
  });

  test('a stream that ends without its summary is an error, not a shorter answer', async () => {
    const server = http.createServer((_, answer) => {
      answer.writeHead(200, { 'content-type': 'application/x-ndjson' });
      answer.end('{"type":"begin","databases":2}\n\n{"type":"answ');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const client = createClient({ baseUrl: `http://127.0.0.1:${port}`, apiKey: 'x' });
    await expect(Array.fromAsync(client.fleet.query({ statement: 'select 1' }))).rejects.toThrow('before its summary');
    server.close();
  });
});

describe('the command line', () => {
  const freehold = (...args: string[]) =>
    startCli(home, args, { env: { FREEHOLD_URL: plane.url, FREEHOLD_API_KEY: plane.keys.dba.text } }).ended;

  test('query: CSV, JSON lines, exact sums by cluster; who has not answered is told and is exit code 1', async () => {
    // The first on this cluster was suspended above.
    const open = tenants.filter(({ cluster }) => cluster === 0)[1]?.slug as string;
    const [csv, jsonl, sum, part] = await Promise.all([
      freehold('fleet', 'query', "select body, 'a,\"b' as odd, '' as nothing from notes", '--csv', '--tenant', open),
      freehold('fleet', 'query', 'select id, true as yes from notes where id > 1', '--jsonl', '--tenant', open),
      freehold('fleet', 'query', 'select id, amount, body from notes', '--group-by', 'cluster', '--json'),
      freehold('fleet', 'query', 'select count(*) from notes'),
    ]);
    expect(csv.stdout.split('\r\n')).toEqual([
      'tenant,cluster,body,odd,nothing',
      `${open},one,note of ${open},"a,""b",""`,
      `${open},one,,"a,""b",""`,
      '',
    ]);
    expect(JSON.parse(jsonl.stdout)).toMatchObject({ tenant: open, row: { id: '9007199254740993', yes: true } });
    const { rows, unanswered } = JSON.parse(sum.stdout);
    const reached = tenants.filter(({ slug }) => !unanswered.some((line: { slug: string }) => line.slug === slug));
    for (const each of rows as { cluster: string; rows: number; sums: { id: string; amount: string } }[]) {
      const mine = reached.filter(({ cluster }) => (cluster === 0 ? 'one' : 'two') === each.cluster);
      expect(each).toMatchObject({
        rows: 2 * mine.length,
        sums: { id: String(9007199254740994n * BigInt(mine.length)) },
      });
    }
    expect(part.code).toBe(1);
    expect(part.stderr).toMatch(/✗ fleet-\d \(one\): .*\[closed\][\s\S]*4 of 5 tenants answered/);
    expect(part.stdout).toMatch(/^TENANT +CLUSTER +COUNT\n/);
  });

  test('status: one screen, and the document with --json', async () => {
    const [text, json] = await Promise.all([freehold('fleet', 'status'), freehold('fleet', 'status', '--json')]);
    expect(text.stdout).toMatch(/tenant {2}head .* 5 tenants, 0 warm {2}all at the head\nVERSION +RELEASE/);
    expect(JSON.parse(json.stdout)).toEqual(await plane.client('viewer').fleet.status());
  });
});

/** How many statements a piece of work sends to the catalog. */
function counted() {
  let queries = 0;
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => {
      queries++;
      return node;
    },
    transformResult: async ({ result }) => result,
  };
  return { db: plane.installation.catalog.db.withPlugin(plugin), queries: () => queries };
}

describe('where the fleet stands', () => {
  test('is one query: versions by cluster against the head, who is in quarantine and why, what is at work', async () => {
    const { installation } = plane;
    const [bad, good] = tenants.filter(({ cluster }) => cluster === 1) as [FleetTenant, FleetTenant];
    const failing = await laneWith(
      `do $$ begin if current_database() = '${namesOf(bad.databaseId).database}' then raise 'not here'; end if; end $$`,
    );
    const { lane, rollout } = await beginRollout(installation, [bad, good], failing, {
      policy: { budget: { failures: '1' } },
    });
    await runToEnd(installation, fleetWork(installation, lane), rollout.id);
    await installation.catalog.db
      .updateTable('rollouts')
      .set({ state: 'halted' })
      .where('id', '=', rollout.id)
      .execute();

    const { db, queries } = counted();
    await readFleetStatus(db);
    expect(queries()).toBe(1);

    const status = await plane.client('viewer').fleet.status();
    const [core, tenant] = status.lanes;
    expect(core).toMatchObject({ lane: 'core', tenants: 5, off_head: 0, versions: [{ is_head: true, tenants: 5 }] });
    expect(tenant).toMatchObject({ lane: 'tenant', tenants: 5, off_head: 1, head: { name: expect.any(String) } });
    expect(tenant?.versions).toMatchObject([
      { version: lane.version, is_head: false, tenants: 1, clusters: [{ cluster: 'two', tenants: 1 }] },
      { is_head: true, tenants: 4, clusters: [{ cluster: 'one' }, { cluster: 'two' }] },
    ]);
    expect(status.quarantined).toMatchObject({
      total: 1,
      members: [
        {
          slug: bad.slug,
          cluster: 'two',
          state: 'failed',
          sqlstate: 'P0001',
          message: expect.stringContaining('not here'),
        },
      ],
    });
    expect(status.rollouts).toMatchObject([
      { id: rollout.id, state: 'halted', members: { done: 1, failed: 1 }, requested: 0 },
    ]);
    expect(status.drift).toMatchObject({ tenants: 5, checked: 0, drifted: 0 });
    await installation.catalog.db
      .updateTable('rollouts')
      .set({ state: 'aborted' })
      .where('id', '=', rollout.id)
      .execute();
  });

  test('M13 a migration of a migrated fleet reads the catalog and connects to nobody: both clusters are down', async () => {
    const { installation } = plane;
    const lane = installation.lanes.find(({ name }) => name === 'core');
    if (lane === undefined) throw new Error('there is a core lane');
    for (const { server } of installation.clusters) await server.stop('immediate');
    try {
      const policy = rolloutPolicySchema.parse({});
      const request = {
        kind: 'migrate',
        lane: 'core',
        release: 'latest',
        statement: null,
        selection: {},
        policy,
      } as const;
      const rollout = await createRollout(installation.catalog.db, caller, 'core', (tx) => planRollout(tx, request));
      expect(rollout.state).toBe('succeeded');
      const { db, queries } = counted();
      const plan = await planRollout(db, request);
      expect(plan).toMatchObject({ members: [], alreadyThere: 5 });
      expect(plan.clusters.map(({ open }) => open).reduce((sum, open) => sum + open, 0)).toBe(4);
      expect(queries()).toBe(1);
    } finally {
      for (const { server } of installation.clusters) await server.start();
    }
  });
});
