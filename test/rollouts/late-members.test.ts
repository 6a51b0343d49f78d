// Who comes to a rollout that runs already, and belongs to a group: its hours hold for him too, and its second person.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import type { RolloutId } from '../../catalog/ids.ts';
import { maintenanceWindowSchema } from '../../catalog/maintenance-window.ts';
import { insertTargetGroup } from '../../catalog/target-groups.ts';
import { startCreateDatabase } from '../../control-plane/operations/start/start-create-database.ts';
import { takeTurn } from '../../control-plane/rollouts/work/take-turn.ts';
import {
  appliedIn,
  beginRollout,
  createFleetTenants,
  type FleetTenant,
  fleetWork,
  laneWith,
  membersOf,
  runToEnd,
} from '../support/fleet.ts';
import { createInstallation, type Installation } from '../support/installation.ts';
import { waitUntil } from '../support/wait-until.ts';

let house: Installation;
let tenants: FleetTenant[];
const caller = systemCaller('test');
const free = { budget: { failures: '100%' } };
const never = maintenanceWindowSchema.parse({ not_before: '2099-01-01T00:00:00Z' });

beforeAll(async () => {
  house = await createInstallation();
  tenants = await createFleetTenants(house, 3);
  const group = { description: '', position: 0, approval: false, maintenance_window: null };
  await house.catalog.db.transaction().execute(async (tx) => {
    const night = { ...group, name: 'night', selection: { filter: "slug like 'night%'" }, maintenance_window: never };
    await insertTargetGroup(tx, night, caller);
    await insertTargetGroup(
      tx,
      { ...group, name: 'bank', selection: { filter: "slug like 'bank%'" }, approval: true },
      caller,
    );
  });
}, 60_000);
afterAll(() => house.close());

const db = () => house.catalog.db;
const memberOf = async (id: RolloutId, tenant: FleetTenant) =>
  (await membersOf(house, id)).find((member) => member.database_id === tenant.databaseId);
const waveOf = (id: RolloutId, position: number | undefined) =>
  db()
    .selectFrom('rollout_waves')
    .selectAll()
    .where('rollout_id', '=', id)
    .where('position', '=', position ?? -1)
    .executeTakeFirstOrThrow();
/** And what bakes is done. */
const openHours = (id: RolloutId) =>
  db()
    .updateTable('rollout_waves')
    .set({ maintenance_window: null, bake_ms: 0 })
    .where('rollout_id', '=', id)
    .execute();
const makeWarm = async (): Promise<FleetTenant> => {
  const [cluster] = house.clusters;
  await startCreateDatabase(db(), cluster.id, caller);
  await house.runAll();
  const warm = db().selectFrom('databases').select('id').where('state', '=', 'warm');
  const { id } = await warm.executeTakeFirstOrThrow();
  return { slug: '', tenantId: null as never, databaseId: id, cluster: 0 };
};

test('M06 born into a group with hours: a wave of these hours is made for it, the others do not wait', async () => {
  const lane = await laneWith('create table hours (id int)');
  const { rollout } = await beginRollout(house, tenants, lane, { waves: [1], movesHead: true, policy: free });
  const work = fleetWork(house, lane);
  await work.drive(rollout.id);
  const [night, day] = [
    ...(await createFleetTenants(house, 1, 'night')),
    ...(await createFleetTenants(house, 1, 'day')),
  ] as [FleetTenant, FleetTenant];
  await waitUntil(
    async () => {
      await work.drive(rollout.id);
      await work.pump(rollout.id);
      return (await memberOf(rollout.id, day))?.state === 'done';
    },
    { what: 'everybody else' },
  );
  await work.drive(rollout.id);
  const member = await memberOf(rollout.id, night);
  expect(member).toMatchObject({ state: 'pending', attempts: 0 });
  expect(await waveOf(rollout.id, member?.wave)).toMatchObject({
    group_name: 'night',
    state: 'waiting',
    maintenance_window: never,
  });
  expect((await appliedIn(house, night)).lanes.tenant?.hash).not.toBe(lane.hash);
  const [second] = (await createFleetTenants(house, 1, 'nights')) as [FleetTenant];
  await work.drive(rollout.id);
  expect(await memberOf(rollout.id, second)).toMatchObject({ state: 'pending', wave: member?.wave });
  await openHours(rollout.id);
  expect((await runToEnd(house, work, rollout.id)).state).toBe('succeeded');
  for (const tenant of [night, second]) expect((await appliedIn(house, tenant)).lanes.tenant?.hash).toBe(lane.hash);
});

test('M06 a warm member that such a tenant claims is not taken by anybody before it has the hours of its tenant', async () => {
  const warm = await makeWarm();
  const lane = await laneWith('create table hours (id int)', 'create table claimed (id int)');
  const { rollout } = await beginRollout(house, [...tenants, warm], lane, {
    waves: [1],
    bakeMs: 3_600_000,
    policy: free,
  });
  const work = fleetWork(house, lane);
  await work.drive(rollout.id);
  await work.pump(rollout.id);
  const [night] = (await createFleetTenants(house, 1, 'night-warm')) as [FleetTenant];
  expect(night.databaseId).toBe(warm.databaseId);
  await db().updateTable('rollout_waves').set({ state: 'running' }).where('rollout_id', '=', rollout.id).execute();
  const turn = await takeTurn(db(), {
    rolloutId: rollout.id,
    version: lane.version,
    results: [],
    holder: 'test',
    leaseMs: 100,
    max: 20,
  });
  expect(turn.claimed.map(({ databaseId }) => databaseId)).not.toContain(night.databaseId);
  await work.drive(rollout.id);
  const member = await memberOf(rollout.id, night);
  expect(member).toMatchObject({ state: 'pending', tenant_id: night.tenantId, attempts: 0 });
  expect(await waveOf(rollout.id, member?.wave)).toMatchObject({ group_name: 'night', maintenance_window: never });
  await openHours(rollout.id);
  expect((await runToEnd(house, work, rollout.id)).state).toBe('succeeded');
  expect((await appliedIn(house, night)).lanes.tenant?.hash).toBe(lane.hash);
});

test('M06 born into a group that wants a second person: left out of a rollout that nobody approved, with the reason', async () => {
  const lane = await laneWith(
    'create table hours (id int)',
    'create table claimed (id int)',
    'create table approved (id int)',
  );
  const { rollout } = await beginRollout(house, tenants, lane, { waves: [1], movesHead: true, policy: free });
  const work = fleetWork(house, lane);
  await work.drive(rollout.id);
  const [bank] = (await createFleetTenants(house, 1, 'bank')) as [FleetTenant];
  await openHours(rollout.id);
  await db().deleteFrom('target_groups').where('name', '=', 'night').execute();
  expect((await runToEnd(house, work, rollout.id)).state).toBe('finished');
  expect(await memberOf(rollout.id, bank)).toMatchObject({
    state: 'skipped',
    skip_reason: expect.stringContaining('bank wants a second person'),
  });
  expect((await appliedIn(house, bank)).lanes.tenant?.hash).not.toBe(lane.hash);
});
