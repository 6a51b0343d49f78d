// What a change of a plan, or of a tenant's plan, sets in motion: the runtimes of those tenants hear of it, and the roles of their
// databases get the limits without anybody asking for it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import { roleSettingsName } from '../../catalog/reconcilers.ts';
import type { Plan, Tenant } from '../../control-plane/client.ts';
import { roleSettings } from '../../control-plane/reconcilers/role-settings.ts';
import { createScheduler, type Scheduler } from '../../control-plane/reconcilers/scheduler.ts';
import { openSession, type Session } from '../../platform/postgres/session.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

let plane: ControlPlane;
let scheduler: Scheduler;
let listening: Session;
const told: string[] = [];
let plan: Plan;
let [one, two, other] = [] as Tenant[];
beforeAll(async () => {
  plane = await startControlPlane();
  const { installation } = plane;
  scheduler = createScheduler({
    catalog: installation.catalog.db,
    sealer: installation.sealer,
    log: installation.log,
    wake: async () => {},
    reconcilers: [roleSettings],
    clusters: installation.connections.clusters,
    wakeAgain: async () => {},
    holder: 'test',
  });
  plan = await plane.client('owner').plans.create({ id: 'small', title: 'Small', limits: {} });
  const create = async (slug: string, planId: string) =>
    (await plane.client('operator').tenants.create({ slug, name: slug, region: 'here', plan: planId }, { waitSec: 30 }))
      .tenant;
  [one, two, other] = [await create('one', 'small'), await create('two', 'small'), await create('other', 'team')];
  listening = await openSession(installation.catalog.address, {
    applicationName: 'freehold-test',
    onNotify: (_channel, payload) => void told.push(payload),
  });
  await listening.query('listen freehold_routes');
  // It has run, and is not due for a minute.
  await scheduler.runNow(roleSettingsName);
  scheduler.start();
});
afterAll(async () => {
  await listening.close();
  await scheduler.close();
  await plane.close();
});

const hears = (tenant: Tenant) => told.some((payload) => payload.startsWith(`${tenant.id}:`));

async function timeoutOf(tenant: Tenant): Promise<unknown> {
  const { databaseName, server } = await placeOf(tenant);
  const rows = await superuserSql(
    server,
    `select setting from pg_db_role_setting join pg_roles r on r.oid = setrole, unnest(setconfig) as setting
     where r.rolname = '${databaseName}_app_a' and setting like 'statement_timeout=%'`,
  );
  return rows[0]?.setting;
}

async function placeOf({ id }: Tenant) {
  const row = await plane.installation.catalog.db
    .selectFrom('databases')
    .select(['id', 'cluster_id'])
    .where('tenant_id', '=', id as `tnt_${string}`)
    .executeTakeFirstOrThrow();
  const cluster = plane.installation.clusters.find((each) => each.id === row.cluster_id);
  if (cluster === undefined) return expect.fail('on one of the two');
  return { databaseName: namesOf(row.id as DatabaseId).database, server: cluster.server.address };
}

test('new limits of a plan: its tenants alone get a new generation, and their roles the limits', async () => {
  const owner = plane.client('owner');
  const generations = async () =>
    await superuserSql(
      plane.installation.catalog.address,
      'select slug, generation, version from tenants order by slug',
    );
  const before = await generations();
  const limits = { ...plan.limits, statement_timeout_ms: 4_321 };
  plan = await owner.plans.update('small', { limits }, { version: plan.version });
  const raised = before.map((row) =>
    row.slug === 'other' ? row : { ...row, generation: (row.generation as number) + 1 },
  );
  expect(await generations()).toEqual(raised);
  await waitUntil(() => hears(one as Tenant) && hears(two as Tenant), { what: 'the routes of both' });
  expect(hears(other as Tenant)).toBe(false);
  await waitUntil(async () => (await timeoutOf(two as Tenant)) === 'statement_timeout=4321', {
    what: 'the limits on the roles',
    timeoutMs: 20_000,
  });
  // The same limits again, or a title: nobody is troubled.
  plan = await owner.plans.update('small', { limits, title: 'Tiny' }, { version: plan.version });
  expect(await generations()).toEqual(raised);
});

test("a tenant's new plan reaches its roles; whoever may change the plan need not be allowed to run reconcilers", async () => {
  const { id } = other as Tenant;
  const { version } = await plane.client('viewer').tenants.get(id);
  await plane.client('sales').tenants.update(id, { plan: 'small' }, { version });
  await waitUntil(async () => (await timeoutOf(other as Tenant)) === 'statement_timeout=4321', {
    what: 'the limits on the roles',
    timeoutMs: 20_000,
  });
  expect((await plane.client('owner').audit.page({ action: 'reconciler.run' })).data).toEqual([]);
  expect((await plane.client('owner').audit.page({ action: 'database.mend_role' })).data).toEqual([]);
});
