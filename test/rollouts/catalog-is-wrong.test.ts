// A member of a rollout begins where the catalog says that its database stands. Where the catalog is wrong (an old backup, a hand
// at work, node-pg-migrate's own command line), nothing is done on its word: the database is looked at and ends at the release.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Lane } from '../../control-plane/migration-files/migration-file.ts';
import {
  appliedIn,
  beginRollout,
  countsOf,
  createFleetTenants,
  type FleetTenant,
  fleetWork,
  inDatabase,
  laneWith,
  membersOf,
  runToEnd,
} from '../support/fleet.ts';
import { createInstallation, type Installation } from '../support/installation.ts';

let house: Installation;
let tenants: [FleetTenant, FleetTenant, FleetTenant, FleetTenant];
const first = 'create table counted (n int); insert into counted values (0)';
const second = 'update counted set n = n + 1';
const third = 'alter table counted add column note text';

beforeAll(async () => {
  house = await createInstallation();
  tenants = (await createFleetTenants(house, 4)) as typeof tenants;
  await rollOut(await laneWith(first));
}, 60_000);
afterAll(() => house.close());

async function rollOut(lane: Lane) {
  await house.catalog.db.updateTable('rollouts').set({ state: 'aborted' }).where('state', '=', 'running').execute();
  const { rollout } = await beginRollout(house, tenants, lane, { policy: { budget: { failures: '100%' } } });
  await runToEnd(house, fleetWork(house, lane), rollout.id);
  return rollout.id;
}

const lanesOf = async (tenant: FleetTenant) =>
  (
    await house.catalog.db
      .selectFrom('databases')
      .select('lanes')
      .where('id', '=', tenant.databaseId)
      .executeTakeFirst()
  )?.lanes;
const counted = async (tenant: FleetTenant) =>
  (await inDatabase<{ n: number }>(house, tenant, 'select n from counted'))[0]?.n;

test('M12 behind or ahead of the catalog, migrated by hand, without a word: each ends at the release, each file once', async () => {
  const [exact, behind, ahead, byHand] = tenants;
  const before = await lanesOf(exact);
  const lane = await laneWith(first, second);
  const name = lane.files.at(-1)?.name as string;
  // The catalog of a backup: this one was migrated since, by a rollout that the catalog knows nothing of.
  await house.connections.databases.migrate(ahead.databaseId, lane, {
    direction: 'up',
    run: 'rlt_00000000000000000000000001',
    actor: 'test',
    lockTimeoutMs: 1_000,
    lockRetries: 0,
    statementTimeoutMs: 10_000,
    probe: null,
  });
  // Said to stand before the first of these files, which is there.
  const base = await laneWith();
  await house.catalog.db
    .updateTable('databases')
    .set({ lanes: JSON.stringify({ ...before, tenant: { version: base.version, hash: base.hash } }) })
    .where('id', '=', behind.databaseId)
    .execute();
  // As node-pg-migrate's own command line leaves it.
  await inDatabase(
    house,
    byHand,
    `${second}; insert into public.pgmigrations (name, run_on) values ('${name}', now())`,
  );
  const id = await rollOut(lane);
  expect(await countsOf(house, id)).toEqual({ done: 3, noop: 1 });
  for (const tenant of tenants) {
    expect(await counted(tenant), tenant.slug).toBe(1);
    expect((await appliedIn(house, tenant)).lanes.tenant, tenant.slug).toEqual({
      version: lane.version,
      hash: lane.hash,
    });
    expect((await lanesOf(tenant))?.tenant?.hash, tenant.slug).toBe(lane.hash);
  }
});

test('a file that fails on the word of the catalog is told as exactly as after a look, and nothing was changed', async () => {
  const [exact] = tenants;
  await inDatabase(house, exact, 'alter table counted add column note int');
  const id = await rollOut(await laneWith(first, second, third));
  const failed = (await membersOf(house, id)).find((member) => member.state === 'failed');
  expect(failed?.error).toMatchObject({ sqlstate: '42701', line: 1, state_of_database: 'unchanged', statement: third });
  expect(await countsOf(house, id)).toEqual({ done: 3, failed: 1 });
});

test('a file that ends its transaction by itself is found on the word of the catalog too (ZF011)', async () => {
  const [, other] = tenants;
  const lane = await laneWith(first, second, third, 'create table left_behind (id int); commit; select 1');
  await house.catalog.db.updateTable('rollouts').set({ state: 'aborted' }).where('state', '=', 'running').execute();
  const { rollout } = await beginRollout(house, [other], lane, { policy: { budget: { failures: '100%' } } });
  await runToEnd(house, fleetWork(house, lane), rollout.id);
  const [member] = await membersOf(house, rollout.id);
  expect(member?.error).toMatchObject({ sqlstate: 'ZF011', state_of_database: 'partly-migrated' });
});
