// M12, D08: whatever is changed by hand in one tenant's database is found and named; what is accepted stays accepted until it changes
// again; what can be repaired safely is. On real databases, with schemas read from scratch databases that leave nothing behind.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import { newId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import { countDrifted } from '../../catalog/schema-checks.ts';
import type { FleetDriftLine } from '../../control-plane/client.ts';
import { runFsck } from '../../control-plane/fsck/run-fsck.ts';
import { startSuspendTenant } from '../../control-plane/operations/start/start-suspend-tenant.ts';
import { migrationLockId } from '../../control-plane/postgres/plan-migration.ts';
import { createOrphanDatabases } from '../../control-plane/reconcilers/orphan-databases.ts';
import { schemaDriftReconciler } from '../../control-plane/reconcilers/schema-drift.ts';
import { createFleetLook } from '../../control-plane/rollouts/look/fleet-look.ts';
import { createScratchDatabases } from '../../control-plane/rollouts/scratch/scratch-databases.ts';
import { registerRelease } from '../../control-plane/rollouts/start/register-release.ts';
import { watchControlPlane } from '../../control-plane/watch-control-plane.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { openSession } from '../../platform/postgres/session.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { createFleetTenants, type FleetTenant, inDatabase, laneWith } from '../support/fleet.ts';
import { laneOfFiles, migrateOptions } from '../support/lanes.ts';
import { startCli } from '../support/run-cli.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

let plane: ControlPlane;
let tenants: FleetTenant[];
let one: FleetTenant;
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-drift-'));
const caller = systemCaller('test');
beforeAll(async () => {
  plane = await startControlPlane();
  const { installation } = plane;
  for (const lane of installation.lanes) await registerRelease(installation.catalog.db, { lane }, caller);
  tenants = await createFleetTenants(installation, 5);
  one = tenants[0] as FleetTenant;
});
afterAll(async () => {
  await plane.close();
  fs.rmSync(home, { recursive: true });
});

type Looked = Extract<FleetDriftLine, { type: 'checked' | 'repaired' }>;
async function sweep(...slugs: string[]): Promise<FleetDriftLine[]> {
  const selection = slugs.length === 0 ? {} : { slugs };
  return Array.fromAsync(plane.client('dba').fleet.sweepDrift({ selection }));
}
async function repair(slug: string): Promise<Extract<FleetDriftLine, { type: 'repaired' }>> {
  const lines = await Array.fromAsync(plane.client('dba').fleet.repairDrift({ selection: { slugs: [slug] } }));
  const found = lines.find((line) => line.type === 'repaired');
  return found ?? expect.fail(JSON.stringify(lines));
}
const looked = (lines: readonly FleetDriftLine[]) =>
  lines.filter((line): line is Looked => line.type === 'checked' || line.type === 'repaired');
const told = ({ differences }: Looked) =>
  differences.map(({ change, kind, object, repairable }) => `${change} ${kind} ${object}${repairable ? ' *' : ''}`);
const inside = (sql: string, tenant = one) => inDatabase(plane.installation, tenant, sql);
async function lookAt(tenant: FleetTenant): Promise<Looked> {
  const lines = await sweep(tenant.slug);
  return looked(lines)[0] ?? expect.fail(JSON.stringify(lines));
}

describe('a fleet as it should be', () => {
  test('no database has drifted; the scratch database is gone, and fsck finds nothing', async () => {
    const lines = await sweep();
    expect(lines.at(-1)).toMatchObject({ type: 'summary', databases: 5, checked: 5, drifted: 0, unanswered: 0 });
    expect(looked(lines).flatMap(told)).toEqual([]);
    const [entry] = (await plane.client('owner').audit.page({ action: 'fleet.drift' })).data;
    expect(entry).toMatchObject({ actor: plane.keys.dba.id, detail: { selection: {}, databases: 5 } });
    const { installation } = plane;
    const { db } = installation.catalog;
    const scratch = () => db.selectFrom('databases').selectAll().where('scratch_until', 'is not', null).execute();
    await waitUntil(async () => (await scratch()).every(({ state }) => state === 'dropped'), { what: 'the drop' });
    // Two at once may each make one; both have made the same.
    expect((await scratch()).length).toBeGreaterThan(0);
    expect(await db.selectFrom('golden_schemas').select('server_major').execute()).toHaveLength(1);
    expect((await runFsck(installation.deps)).findings).toEqual([]);
    const before = (await scratch()).length;
    await sweep();
    expect(await scratch()).toHaveLength(before);
  });
});

describe('M12 what was changed by hand is named', () => {
  const roles = () => ({ own: namesOf(one.databaseId).owner, ...namesOf(one.databaseId).logins });
  /** One after the other on one tenant: each adds exactly these differences to those of the cases before. */
  test.each<[what: string, damage: (roles: { own: string; app_a: string; ro: string }) => string[], added: string[]]>([
    [
      'a column added by hand',
      () => ['alter table tasks add column mine text'],
      ['unexpected column public.tasks.mine'],
    ],
    ['an index dropped', () => ['drop index tasks_by_label'], ['missing index public.tasks_by_label *']],
    [
      'an owner changed',
      ({ app_a }) => [`alter table comments owner to ${app_a}`],
      [
        'different owner SEQUENCE public.comments_id_seq',
        'different owner TABLE public.comments',
        'missing grant SEQUENCE public.comments_id_seq TO <database>_app_a *',
        'missing grant TABLE public.comments TO <database>_app_a *',
      ],
    ],
    [
      'grants added',
      ({ own, ro }) => [
        `set role ${own}; grant delete on tasks to ${ro} with grant option; grant select on members to public`,
      ],
      ['different grant TABLE public.tasks TO <database>_ro *', 'unexpected grant TABLE public.members TO PUBLIC *'],
    ],
    [
      'a grant taken away',
      ({ app_a }) => [`revoke update on members from ${app_a}`],
      ['different grant TABLE public.members TO <database>_app_a *'],
    ],
    [
      'a grant on a column',
      ({ own, ro }) => [`set role ${own}; grant update (title) on tasks to ${ro}`],
      ['unexpected column-grant public.tasks.title TO <database>_ro'],
    ],
    [
      'default privileges',
      ({ own, ro }) => [`set role ${own}; alter default privileges in schema public grant truncate on tables to ${ro}`],
      ['different default-grant <database>_own public r TO <database>_ro'],
    ],
    [
      'a function changed, and one added to be run by everybody',
      ({ own }) => [
        `set role ${own}; create or replace function tasks_stamp() returns trigger language plpgsql as 'begin return null; end'`,
        `set role ${own}; create function extra(a int) returns int language sql as 'select 1'; grant execute on function extra to public`,
      ],
      ['different function public.tasks_stamp()', 'unexpected function public.extra(integer)'],
    ],
    [
      'a trigger switched off',
      () => ['alter table tasks disable trigger tasks_stamped'],
      ['different trigger public.tasks.tasks_stamped'],
    ],
    [
      'a default, a constraint',
      () => ['alter table tasks alter priority set default 1, drop constraint tasks_status_check'],
      ['different column public.tasks.priority', 'missing constraint public.tasks.tasks_status_check'],
    ],
    [
      'row security and a policy',
      () => ['alter table members enable row level security; create policy everything on members using (true)'],
      ['different table public.members', 'unexpected policy public.members.everything'],
    ],
    [
      'a view, a sequence, a type',
      ({ own }) => [
        `set role ${own}; create or replace view invoice_totals as select i.id as invoice_id, i.number, i.customer_id, i.currency,
         0::bigint as total_cents, i.paid_at from invoices i; create type mood as enum ('good'); alter sequence tasks_id_seq increment 7`,
      ],
      ['different sequence public.tasks_id_seq', 'different view public.invoice_totals', 'unexpected type public.mood'],
    ],
    [
      'an extension missing',
      () => ['drop extension plpgsql cascade'],
      [
        'missing extension EXTENSION plpgsql',
        'missing function public.next_task_number(bigint)',
        'missing function public.tasks_stamp()',
        'missing trigger public.tasks.tasks_stamped',
      ],
    ],
    [
      'D08 settings of a login',
      ({ app_a }) => [`alter role ${app_a} set statement_timeout = 0`, `alter role ${app_a} connection limit 77`],
      ['different role <database>_app_a *'],
    ],
  ])('M12 %s', async (_, damage, added) => {
    const before = told(await lookAt(one));
    for (const statement of damage(roles())) await inside(statement);
    const line = await lookAt(one);
    expect(line.drifted).toBe(true);
    expect(
      told(line)
        .filter((each) => !before.includes(each))
        .sort(),
    ).toEqual([...added].sort());
    // What was only changed before may be gone by now.
    const gone = before.filter((each) => !told(line).includes(each));
    expect(gone.every((each) => /tasks_stamp/.test(each))).toBe(true);
  });
});

/** As a build that was cancelled leaves it: somebody's transaction on the table has held it up for too long. */
async function leaveInvalid({ databaseId, cluster }: FleetTenant, name: string, on: string): Promise<void> {
  const address = { ...plane.installation.clusters[cluster].server.address, database: namesOf(databaseId).database };
  const { owner } = namesOf(databaseId);
  await superuserSql(address, `drop index ${name}`);
  const guest = await openSession(address, { applicationName: 'test-guest' });
  await guest.begin();
  await guest.query(`lock table ${on.split(' ')[0]} in row exclusive mode`);
  const impatient = { ...address, options: `-c role=${owner} -c statement_timeout=300` };
  await expect(superuserSql(impatient, `create index concurrently ${name} on ${on}`)).rejects.toMatchObject({
    code: '57014',
  });
  await guest.close();
}

describe('an index that really failed to be built', () => {
  test('M12 unique over duplicates: named as invalid with the statement that ends it, and never dropped by itself', async () => {
    const two = tenants[1] as FleetTenant;
    const { owner } = namesOf(two.databaseId);
    await inside(
      `set role ${owner}; insert into members (display_name, email) values ('Twin', 'a@example.org'), ('Twin', 'b@example.org')`,
      two,
    );
    const build = 'create unique index concurrently members_once on members (display_name)';
    await expect(inside(build, two)).rejects.toMatchObject({ code: '23505' });
    const line = await lookAt(two);
    expect(told(line)).toEqual(['unexpected index public.members_once']);
    expect(line.differences[0]).toMatchObject({
      found: expect.stringMatching(/UNIQUE INDEX members_once .*\[invalid\]$/),
      repairable: false,
      statements: ['DROP INDEX CONCURRENTLY public.members_once'],
    });
    expect(await repair(two.slug)).toMatchObject({ repairs: [], drifted: true });
    await inside('drop index members_once', two);
    await inside("delete from members where display_name = 'Twin'", two);
    expect((await lookAt(two)).drifted).toBe(false);
  });
});

describe('repair', () => {
  test('M12 D08 ends what is safe to end, as the owner and in the audit, looks again, and leaves the rest named', async () => {
    const two = tenants[1] as FleetTenant;
    const { owner, logins, database } = namesOf(two.databaseId);
    await inside('drop index tasks_by_label', two);
    await inside(
      `set role ${owner}; grant select on members to public; revoke insert on tasks from ${logins.app_b}`,
      two,
    );
    await inside(`alter role ${logins.app_a} set statement_timeout = 0; alter table tasks add column mine text`, two);
    await leaveInvalid(two, 'comments_by_task', 'comments using btree (task_id, created_at)');
    const line = await repair(two.slug);
    expect(line.repairs.map(({ statement, error }) => [statement, error])).toEqual(
      expect.arrayContaining([
        ['CREATE INDEX CONCURRENTLY tasks_by_label ON public.tasks USING gin (labels)', null],
        ['DROP INDEX CONCURRENTLY public.comments_by_task', null],
        ['CREATE INDEX CONCURRENTLY comments_by_task ON public.comments USING btree (task_id, created_at)', null],
        ['REVOKE SELECT ON TABLE public.members FROM PUBLIC', null],
        [`GRANT INSERT ON TABLE public.tasks TO ${logins.app_b}`, null],
      ]),
    );
    expect(line.repairs).toHaveLength(5);
    expect([line.drifted, told(line)]).toEqual([true, ['unexpected column public.tasks.mine']]);
    expect(line.differences[0]?.statements).toEqual(['ALTER TABLE public.tasks DROP COLUMN mine']);
    const [entry] = (await plane.client('owner').audit.page({ action: 'fleet.repair' })).data;
    expect(entry).toMatchObject({
      target_id: two.databaseId,
      detail: { statements: line.repairs.map(({ statement }) => statement), roles: ['<database>_app_a'] },
    });
    const { address } = plane.installation.clusters[two.cluster].server;
    const [setting] = await superuserSql<{ found: string[] }>(
      address,
      `select setconfig as found from pg_db_role_setting where setrole = '${database}_app_a'::regrole`,
    );
    expect(setting?.found).toContain('statement_timeout=15000');
    await inside('alter table tasks drop column mine', two);
    expect(await repair(two.slug)).toMatchObject({ repairs: [], drifted: false, differences: [] });
  });

  test('a database in which a migration holds its lock is left alone, and named', async () => {
    const two = tenants[1] as FleetTenant;
    await inside('drop index tasks_by_label', two);
    const held = await plane.installation.connections.addressOf(two.databaseId, 'mig');
    const session = await openSession(held, { applicationName: 'test' });
    await session.query(`set role ${namesOf(two.databaseId).owner}`);
    await session.query(`select pg_advisory_lock(${migrationLockId})`);
    const lines = await Array.fromAsync(plane.client('dba').fleet.repairDrift({ selection: { slugs: [two.slug] } }));
    expect(lines[1]).toMatchObject({ type: 'unanswered', code: 'migration_at_work' });
    await session.close();
    expect(await repair(two.slug)).toMatchObject({ drifted: false });
  });
});

describe('adoption', () => {
  test('is refused where nothing has drifted or no reason is given, and lasts until the schema changes again', async () => {
    const three = tenants[2] as FleetTenant;
    const client = plane.client('dba');
    const adopt = (reason: string) => client.fleet.adoptDrift({ selection: { slugs: [three.slug] }, reason });
    await expect(adopt('for now')).rejects.toMatchObject({ status: 409, code: 'schema_not_drifted' });
    await expect(adopt('')).rejects.toMatchObject({ code: 'invalid_body' });
    await inside('drop index tasks_by_label', three);
    expect((await lookAt(three)).drifted).toBe(true);
    expect(await adopt('asked for by them')).toEqual([{ database_id: three.databaseId, slug: three.slug }]);
    expect(await lookAt(three)).toMatchObject({ drifted: false, adopted: true, differences: [{ kind: 'index' }] });
    // A repair leaves alone what somebody has accepted.
    expect(await repair(three.slug)).toMatchObject({ repairs: [], drifted: false, adopted: true });
    const [stored] = (await client.fleet.drift.page({ drifted: false })).data.filter(({ slug }) => slug === three.slug);
    expect(stored?.adopted).toMatchObject({ reason: 'asked for by them', actor: plane.keys.dba.id });
    expect((await client.audit.page({ action: 'fleet.adopt' })).data[0]).toMatchObject({ target_id: three.databaseId });
    await inside('create index mine_too on tasks (priority)', three);
    expect(await lookAt(three)).toMatchObject({ drifted: true, adopted: false });
    await inside('drop index mine_too', three);
  });
});

describe('whom nobody can judge', () => {
  test('part of the way is compared with that part; files that no release has, closed, unreachable, changing are named', async () => {
    const { installation } = plane;
    const { db } = installation.catalog;
    const [, , , four, five] = tenants as [FleetTenant, FleetTenant, FleetTenant, FleetTenant, FleetTenant];
    const lane = await laneWith('create table half (id bigint)', 'create table whole (id bigint)');
    const half = laneOfFiles(lane.files.slice(0, -1));
    await installation.connections.databases.migrate(four.databaseId, half, migrateOptions());
    expect(await sweep(four.slug)).toMatchObject([
      {},
      { type: 'unanswered', code: 'version_unknown' },
      { unanswered: 1 },
    ]);
    await registerRelease(db, { lane }, caller);
    expect(await lookAt(four)).toMatchObject({ drifted: false, differences: [] });
    await inside('drop table half', four);
    expect(told(await lookAt(four))).toEqual(['missing table public.half']);

    await inside('create table mine ()', five);
    await db
      .insertInto('operations')
      .values({
        id: newId('operation'),
        kind: 'suspend-tenant',
        tenant_id: five.tenantId,
        lane: 'foreground',
        state: 'running',
        steps_total: 1,
        actor: 'test',
        input: '{}',
        facts: '{}',
      })
      .execute();
    expect(await sweep(five.slug)).toMatchObject([{}, { type: 'unanswered', code: 'changing' }, {}]);
    await db
      .deleteFrom('operations')
      .where('actor', '=', 'test')
      .where('tenant_id', '=', five.tenantId)
      .where('state', '=', 'running')
      .execute();
    await installation.run((await startSuspendTenant(db, five.tenantId, caller)).operation.id);
    expect(await sweep(five.slug)).toMatchObject([{}, { type: 'unanswered', code: 'closed' }, {}]);

    const [, second] = installation.clusters;
    await second.server.stop('immediate');
    try {
      const lines = await sweep();
      const away = tenants.filter(({ cluster, slug }) => cluster === 1 && slug !== five.slug).map(({ slug }) => slug);
      const named = lines.filter((line) => line.type === 'unanswered' && line.code === 'unreachable');
      expect(named.map((line) => 'slug' in line && line.slug).sort()).toEqual(away.sort());
      expect(lines.at(-1)).toMatchObject({ databases: 5, unanswered: away.length + 1 });
    } finally {
      await second.server.start();
    }
  });
});

describe('without a person, and with one', () => {
  test('M12 the reconciler looks at those whose look is the longest ago, tells of what is new once, and counts', async () => {
    const { installation } = plane;
    const { catalog, connections, sealer, log } = installation;
    await superuserSql(
      catalog.address,
      `update schema_checks set drifted = false, checked_at = now() - interval '1 hour'`,
    );
    await superuserSql(catalog.address, `delete from events where type = 'database.schema_drifted.v1'`);
    const look = createFleetLook({ catalog: catalog.db, ...connections, sealer, wake: async () => {}, log });
    const reconciler = schemaDriftReconciler({ drift: look.drift });
    const deps = { ...installation.deps, clusters: connections.clusters, wakeAgain: async () => {} };
    const found = await reconciler.run(deps);
    expect(found.drifted).toContain(one.databaseId);
    // Also in a process that has not looked itself, and never an old number while the catalog does not answer.
    const metrics = createMetrics();
    let countNow = () => countDrifted(catalog.db);
    watchControlPlane(metrics, { countDrifted: () => countNow(), shares: () => [] });
    const gauge = async () => /^freehold_drifted_databases (\d+)$/m.exec((await metrics.page()).body)?.[1];
    expect(await gauge()).toBe(String((found.drifted as string[]).length));
    countNow = () => Promise.reject(new Error('away'));
    expect(await gauge()).toBeUndefined();
    countNow = () => new Promise(() => {});
    expect(await gauge()).toBeUndefined();
    const events = () =>
      superuserSql(
        catalog.address,
        `select payload->>'database_id' as id from events where type = 'database.schema_drifted.v1'`,
      );
    expect((await events()).map(({ id }) => id).sort()).toEqual([...(found.drifted as string[])].sort());
    // Not over and over, and what was told is not told again.
    expect(await reconciler.run(deps)).toMatchObject({ looked: 0, drifted: [] });
    await superuserSql(catalog.address, `update schema_checks set checked_at = now() - interval '1 hour'`);
    const before = (await events()).length;
    await reconciler.run(deps);
    expect(await events()).toHaveLength(before);
  });

  test('the command line shows what differs and ends with 5; --adopt wants a reason', async () => {
    const freehold = (...args: string[]) =>
      startCli(home, args, { env: { FREEHOLD_URL: plane.url, FREEHOLD_API_KEY: plane.keys.dba.text } }).ended;
    const [drifted, clean, adopt, json] = await Promise.all([
      freehold('fleet', 'drift', '--tenant', one.slug),
      freehold('fleet', 'drift', '--tenant', tenants[1]?.slug as string),
      freehold('fleet', 'drift', '--adopt', '--tenant', one.slug),
      freehold('fleet', 'drift', '--tenant', one.slug, '--json'),
    ]);
    expect(drifted.code).toBe(5);
    expect(drifted.stdout).toMatch(
      /unexpected column public\.tasks\.mine\n {4}\+ text\n {4}→ ALTER TABLE public\.tasks DROP COLUMN mine/,
    );
    expect(drifted.stdout).toMatch(/missing index public\.tasks_by_label {2}repairable\n {4}- CREATE INDEX/);
    expect(drifted.stderr).toMatch(/1 of 1 databases looked at in .*: 1 drifted, 0 adopted/);
    expect([clean.code, clean.stdout]).toEqual([0, '']);
    expect([adopt.code, adopt.stderr]).toEqual([2, expect.stringContaining('Say why')]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      databases: [{ slug: one.slug, drifted: true }],
      summary: { drifted: 1 },
    });
  });
});

describe('a scratch database', () => {
  test('whose process died is found by its lease and dropped; one in use is left alone', async () => {
    const { installation } = plane;
    const { catalog, connections, sealer, log } = installation;
    const scratch = createScratchDatabases({ catalog: catalog.db, ...connections, sealer, wake: async () => {}, log });
    const rowOf = async (id: string) =>
      (await superuserSql(catalog.address, 'select state from databases where id = $1', [id]))[0]?.state;
    const orphans = createOrphanDatabases({ rowMs: 0 });
    const deps = { ...installation.deps, clusters: connections.clusters, wakeAgain: async () => {} };
    let id = '';
    await expect(
      scratch.with({ serverMajor: 18, lanes: installation.lanes, purpose: 'test' }, async (made) => {
        id = made;
        await orphans.run(deps);
        expect(await rowOf(id)).toBe('creating');
        expect((await runFsck(installation.deps)).findings.filter(({ databaseId }) => databaseId === made)).toEqual([]);
        // As after a kill: nobody moves the lease ahead, and nobody ends it.
        await superuserSql(
          catalog.address,
          `update databases set scratch_until = now() - interval '1 second' where id = $1`,
          [id],
        );
        await orphans.run(deps);
        expect(await rowOf(id)).toBe('retiring');
        throw new Error('and what its user throws comes through');
      }),
    ).rejects.toThrow('comes through');
    await installation.runAll();
    expect(await rowOf(id)).toBe('dropped');
    const { address } = installation.clusters[0].server;
    const { database } = namesOf(id as `dbs_${string}`);
    const left = await superuserSql(
      address,
      `select rolname from pg_roles where rolname ^@ '${database}' union all select datname from pg_database where datname = '${database}'`,
    );
    expect(left).toEqual([]);
  });
});
