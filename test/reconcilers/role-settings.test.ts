// D08: what a login does to itself is set back by one run of role-settings, and told; what a plan changes reaches the roles.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { SnapshotDatabase } from '../../catalog/catalog-snapshot.ts';
import { type Login, namesOf, secretContext } from '../../catalog/names.ts';
import { bringRunForward, roleSettingsName } from '../../catalog/reconcilers.ts';
import { runFsck } from '../../control-plane/fsck/run-fsck.ts';
import { startSuspendTenant } from '../../control-plane/operations/start/start-suspend-tenant.ts';
import { allReconcilers } from '../../control-plane/reconcilers/all-reconcilers.ts';
import type { ReconcilerDeps } from '../../control-plane/reconcilers/reconciler.ts';
import { roleSettings } from '../../control-plane/reconcilers/role-settings.ts';
import { createScheduler } from '../../control-plane/reconcilers/scheduler.ts';
import { openSession } from '../../platform/postgres/session.ts';
import { type FsckHouse, openFsckHouse } from '../support/fsck-house.ts';
import { caller } from '../support/operation-scenarios.ts';
import { loginStateOf } from '../support/sqlstate.ts';
import { waitUntil } from '../support/wait-until.ts';

let house: FsckHouse;
let deps: ReconcilerDeps;
const warnings: object[] = [];
beforeAll(async () => {
  house = await openFsckHouse();
  const { installation } = house;
  const log = Object.create(installation.log, { warn: { value: (fields: object) => void warnings.push(fields) } });
  deps = { ...installation.deps, clusters: installation.connections.clusters, wakeAgain: async () => {}, log };
});
afterAll(() => house?.close());
beforeEach(async () => {
  warnings.length = 0;
  await house.inCatalog(`delete from events where type = 'database.role_mended.v1'`);
});
afterEach(async () => {
  expect((await runFsck(house.installation.deps)).findings).toEqual([]);
});

const quiet = { checked: 5, mended: [], limitsSet: 0, failed: [], left: 0 };

async function addressOf(row: SnapshotDatabase, login: Login) {
  const [secret] = await house.inCatalog('select sealed from database_secrets where database_id = $1 and login = $2', [
    row.id,
    login,
  ]);
  const password = house.installation.sealer.open(String(secret?.sealed), secretContext(row.id, login));
  const { host, port } = house.clusterOf(row).server.address;
  return { host, port, database: row.name, user: namesOf(row.id).logins[login], password };
}

async function asLogin(row: SnapshotDatabase, login: Login, ...statements: string[]): Promise<void> {
  const session = await openSession(await addressOf(row, login), { applicationName: 'freehold-test' });
  try {
    for (const statement of statements) await session.query(statement);
  } finally {
    await session.close();
  }
}

async function shown(row: SnapshotDatabase, login: Login, setting: string): Promise<unknown> {
  const session = await openSession(await addressOf(row, login), { applicationName: 'freehold-test' });
  try {
    return (await session.query<{ is: string }>(`select current_setting('${setting}') as is`)).rows[0]?.is;
  } finally {
    await session.close();
  }
}

async function mendedEvents() {
  const rows = await house.inCatalog(
    `select tenant_id, payload from events where type = 'database.role_mended.v1' order by seq`,
  );
  return rows.map((row) => ({ tenant: row.tenant_id, ...(row.payload as object) }));
}

test('every minute at most, among all reconcilers, and quiet where nothing is to be done', async () => {
  expect(allReconcilers).toContain(roleSettings);
  expect(roleSettings.everyMs).toBeLessThanOrEqual(60_000);
  expect(await roleSettings.run(deps)).toEqual(quiet);
  expect([warnings, await mendedEvents()]).toEqual([[], []]);
});

test('D08 a login that changes its timeout, search path and password: one run mends all, tells of it, and ends its sessions', async () => {
  const { alpha } = house;
  const old = await openSession(await addressOf(alpha, 'app_a'), { applicationName: 'freehold-test' });
  await asLogin(
    alpha,
    'app_a',
    'alter role current_user set statement_timeout = 0',
    `alter role current_user in database ${alpha.name} set search_path = pg_temp, public`,
    `alter role current_user set application_name = 'do not repeat'`,
    `alter role current_user password 'locked-out'`,
  );
  expect(await loginStateOf(await addressOf(alpha, 'app_a'))).toBe('28P01');

  const result = await roleSettings.run(deps);
  const what = expect.arrayContaining(['statement_timeout', 'search_path', 'application_name', 'password']);
  expect(result).toEqual({ ...quiet, mended: [{ database: alpha.id, login: 'app_a', what }] });
  expect(await loginStateOf(await addressOf(alpha, 'app_a'))).toBe('00000');
  expect(await loginStateOf({ ...(await addressOf(alpha, 'app_a')), password: 'locked-out' })).toBe('28P01');
  expect(await shown(alpha, 'app_a', 'statement_timeout')).toBe('15s');
  expect(await shown(alpha, 'app_a', 'search_path')).toBe('public, pg_temp');
  await waitUntil(() => !old.usable, { what: 'the end of the session from before' });
  await old.close();

  expect(await mendedEvents()).toEqual([
    { tenant: alpha.tenant_id, database_id: alpha.id, cluster_id: alpha.cluster_id, login: 'app_a', what },
  ]);
  const audit = await house.inCatalog(
    `select actor, action, target_id, detail from audit_entries where action = 'database.mend_role'`,
  );
  expect(audit).toEqual([
    {
      actor: `system:${roleSettingsName}`,
      action: 'database.mend_role',
      target_id: alpha.id,
      detail: { login: 'app_a', what },
    },
  ]);
  expect(warnings).toEqual([{ database_id: alpha.id, tenant_id: alpha.tenant_id, login: 'app_a', what }]);
  expect(JSON.stringify([result, audit, warnings])).not.toMatch(/do not repeat|locked-out/);

  expect(await roleSettings.run(deps)).toEqual(quiet);
});

test('D08 every login, warm stock and closed databases too; what only a superuser can have done as well', async () => {
  const { warm, closed } = house;
  await asLogin(
    warm,
    'ro',
    'set default_transaction_read_only = off',
    'alter role current_user set default_transaction_read_only = off',
  );
  await asLogin(warm, 'mig', `alter role current_user password 'x'`);
  await house.onCluster(closed, `alter role ${closed.name}_app_b nologin connection limit -1`);
  const { mended } = await roleSettings.run(deps);
  expect(mended).toHaveLength(3);
  expect(mended).toEqual(
    expect.arrayContaining([
      { database: warm.id, login: 'ro', what: ['default_transaction_read_only'] },
      { database: warm.id, login: 'mig', what: ['password'] },
      { database: closed.id, login: 'app_b', what: ['login', 'connection limit'] },
    ]),
  );
  expect(await loginStateOf(await addressOf(warm, 'mig'))).toBe('00000');
});

test('D08 what a login stores for a database it cannot enter raises no alarm every minute', async () => {
  const { alpha } = house;
  await asLogin(alpha, 'app_a', 'alter role current_user in database postgres set statement_timeout = 0');
  try {
    expect(await roleSettings.run(deps)).toEqual(quiet);
  } finally {
    await house.onCluster(alpha, `alter role ${alpha.name}_app_a in database postgres reset all`);
  }
});

test('limits of a changed plan reach the roles of its tenants, without an alarm; the stock keeps its own', async () => {
  const limits = `jsonb_set(jsonb_set(limits, '{statement_timeout_ms}', $1), '{login_connections_max}', $2)`;
  await house.inCatalog(`update plans set limits = ${limits} where id = 'team'`, ['7000', '33']);
  try {
    expect(await roleSettings.run(deps)).toEqual({ ...quiet, limitsSet: 3 });
    expect(await shown(house.alpha, 'app_a', 'statement_timeout')).toBe('7s');
    expect(await shown(house.warm, 'app_a', 'statement_timeout')).toBe('15s');
    expect((await runFsck(house.installation.deps)).findings).toEqual([]);
    expect([warnings, await mendedEvents()]).toEqual([[], []]);
    // On top of another plan, one login's own change is still told from it.
    await asLogin(house.beta, 'app_a', 'alter role current_user set statement_timeout = 500000');
    expect(await roleSettings.run(deps)).toMatchObject({
      mended: [{ database: house.beta.id, login: 'app_a', what: ['statement_timeout'] }],
    });
  } finally {
    await house.inCatalog(`update plans set limits = ${limits} where id = 'team'`, ['15000', '20']);
    expect(await roleSettings.run(deps)).toMatchObject({ limitsSet: 3, mended: [] });
  }
});

async function operationState(id: string): Promise<string | undefined> {
  const { catalog } = house.installation.deps;
  const row = await catalog
    .selectFrom('operations')
    .select('state')
    .where('id', '=', id as `opr_${string}`)
    .executeTakeFirst();
  return row?.state;
}

test('a database that an operation holds is left to it, and mended afterwards', async () => {
  const { beta, installation } = house;
  await asLogin(beta, 'app_a', 'alter role current_user set statement_timeout = 0');
  const { operation } = await startSuspendTenant(installation.deps.catalog, beta.tenant_id as `tnt_${string}`, caller);
  expect(await roleSettings.run(deps)).toEqual(quiet);
  await installation.runAll();
  expect(await operationState(operation.id)).toBe('succeeded');
  expect(await roleSettings.run(deps)).toMatchObject({ mended: [{ database: beta.id, login: 'app_a' }] });
});

test('a database whose roles are not whole is left to fsck, and holds up no other', async () => {
  const { alpha, warm, closed } = house;
  await asLogin(alpha, 'app_a', 'alter role current_user set statement_timeout = 0');
  await asLogin(warm, 'app_a', `alter role current_user password 'x'`);
  await house.onCluster(closed, `alter role ${closed.name}_own rename to kept`);
  await house.onCluster(closed, `alter role ${closed.name}_app_a set statement_timeout = 0`);
  try {
    const { mended } = await roleSettings.run(deps);
    expect(new Set((mended as { database: string }[]).map((each) => each.database))).toEqual(
      new Set([alpha.id, warm.id]),
    );
  } finally {
    await house.onCluster(closed, `alter role kept rename to ${closed.name}_own`);
  }
  expect(await roleSettings.run(deps)).toMatchObject({ mended: [{ database: closed.id }] });
});

test('a run that is asked for while one is at work is not forgotten', async () => {
  const { db } = house.installation.catalog;
  const nextRunAt = async () => {
    const [row] = await house.inCatalog(
      `select next_run_at <= clock_timestamp() as due from reconcilers where name = '${roleSettingsName}'`,
    );
    return row?.due;
  };
  let ask = async () => {};
  const slow = {
    ...roleSettings,
    async run() {
      await ask();
      return {};
    },
  };
  const scheduler = createScheduler({ ...deps, reconcilers: [slow], holder: 'test' });
  await scheduler.runNow(roleSettingsName);
  expect(await nextRunAt()).toBe(false);
  ask = async () => void (await db.transaction().execute((tx) => bringRunForward(tx, roleSettingsName)));
  await scheduler.runNow(roleSettingsName);
  expect(await nextRunAt()).toBe(true);
  await scheduler.close();
});
