// Members that go away under a worker's hands, or whose worker does: what a dead worker had done is told as done by this rollout,
// also after somebody has stopped it and no other worker takes them any more; whose database was closed has not failed.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import type { RolloutId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import type { ClaimedMember } from '../../catalog/rollout-members.ts';
import type { Lane } from '../../control-plane/migration-files/migration-file.ts';
import { migrationLockId } from '../../control-plane/postgres/plan-migration.ts';
import { abortRollout } from '../../control-plane/rollouts/start/abort-rollout.ts';
import { takeTurn } from '../../control-plane/rollouts/work/take-turn.ts';
import {
  type Begun,
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
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

let house: Installation;
let tenants: FleetTenant[];
beforeAll(async () => {
  house = await createInstallation();
  tenants = await createFleetTenants(house, 5);
}, 60_000);
afterAll(() => house.close());

const caller = systemCaller('test');
const leaseMs = 300;
const db = () => house.catalog.db;
const history: string[] = [];

async function begin(statement: string): Promise<Begun> {
  history.push(statement);
  return beginRollout(house, tenants, await laneWith(...history), { policy: { budget: { failures: '100%' } } });
}

/** A worker that takes these, and says nothing of them ever after. */
async function takeAndDie({ rollout, lane }: Begun, max: number): Promise<ClaimedMember[]> {
  await fleetWork(house, lane).drive(rollout.id);
  const input = { rolloutId: rollout.id, version: lane.version, results: [], holder: 'dead', leaseMs, max };
  return (await takeTurn(db(), input)).claimed;
}

function applyWithoutAWord({ databaseId }: ClaimedMember, { rollout, lane }: Begun) {
  return house.connections.databases.migrate(databaseId, lane, {
    direction: 'up',
    run: rollout.id,
    actor: 'dead',
    lockTimeoutMs: 1_000,
    lockRetries: 0,
    statementTimeoutMs: 10_000,
    probe: null,
  });
}

const untilLeft = (id: RolloutId) => {
  const over = async () =>
    (await membersOf(house, id)).every((m) => m.state !== 'running' || Number(m.lease_until) < Date.now() - 50);
  return waitUntil(over, { what: 'the end of the leases' });
};

const standOf = async ({ databaseId }: ClaimedMember, rolloutId: RolloutId, lane: Lane) => {
  const member = (await membersOf(house, rolloutId)).find((each) => each.database_id === databaseId);
  const { lanes } = await db()
    .selectFrom('databases')
    .select('lanes')
    .where('id', '=', databaseId)
    .executeTakeFirstOrThrow();
  return [member?.state, lanes.tenant?.hash === lane.hash];
};

test('M03 M09 died behind the commit of a running rollout: done by this rollout, not found there', async () => {
  const begun = await begin('create table left_one (id int)');
  const before = await db().selectFrom('databases').select('lanes').executeTakeFirstOrThrow();
  const [applied] = await takeAndDie(begun, 2);
  await applyWithoutAWord(applied as ClaimedMember, begun);
  await untilLeft(begun.rollout.id);
  expect((await runToEnd(house, fleetWork(house, begun.lane), begun.rollout.id)).state).toBe('succeeded');
  expect(await countsOf(house, begun.rollout.id)).toEqual({ done: 5 });
  const versions = (await membersOf(house, begun.rollout.id)).map((m) => [m.from_version, m.to_version]);
  expect(new Set(versions.map(String))).toEqual(new Set([`${before.lanes.tenant?.version},${begun.lane.version}`]));
});

test('M08 M09 died before an abort: the report and the catalog say what is in each database', async () => {
  const begun = await begin('create table left_two (id int)');
  const { rollout, lane } = begun;
  const [applied, untouched, closed, going] = (await takeAndDie(begun, 4)) as [
    ClaimedMember,
    ClaimedMember,
    ClaimedMember,
    ClaimedMember,
  ];
  await applyWithoutAWord(applied, begun);
  await db().updateTable('databases').set({ fenced: true }).where('id', '=', closed.databaseId).execute();
  await db().updateTable('databases').set({ state: 'retiring' }).where('id', '=', going.databaseId).execute();
  await abortRollout(db(), rollout.id, caller);
  const work = fleetWork(house, lane, { leaseMs });
  expect(await work.settleLeft()).toBe(0); // their worker may be alive: its lease runs
  await untilLeft(rollout.id);
  expect(await countsOf(house, rollout.id)).toEqual({ running: 4, pending: 1 });
  expect(await work.settleLeft()).toBe(2);
  expect(await standOf(applied, rollout.id, lane)).toEqual(['done', true]);
  expect(await standOf(untouched, rollout.id, lane)).toEqual(['pending', false]);
  expect(await standOf(closed, rollout.id, lane)).toEqual(['skipped', false]);
  expect(await standOf(going, rollout.id, lane)).toEqual(['gone', false]);
  expect(await countsOf(house, rollout.id)).toEqual({ done: 1, pending: 2, skipped: 1, gone: 1 });
  await db().updateTable('databases').set({ fenced: false }).where('id', '=', closed.databaseId).execute();
  await db().updateTable('databases').set({ state: 'claimed' }).where('id', '=', going.databaseId).execute();
});

test('M09 a backend whose worker is dead still runs the file: no answer before it has ended', async () => {
  const begun = await begin('create table left_three (id int)');
  const { rollout, lane } = begun;
  const [member] = (await takeAndDie(begun, 1)) as [ClaimedMember];
  await abortRollout(db(), rollout.id, caller);
  await untilLeft(rollout.id);
  const tenant = tenants.find(({ databaseId }) => databaseId === member.databaseId) as FleetTenant;
  const running = inDatabase(house, tenant, `select pg_advisory_lock(${migrationLockId}), pg_sleep(1.5)`);
  const held = `select from pg_locks where locktype = 'advisory' and granted and pid <> pg_backend_pid()`;
  await waitUntil(async () => (await inDatabase(house, tenant, held)).length > 0, { what: 'the lock to be held' });
  const work = fleetWork(house, lane, { leaseMs });
  expect(await work.settleLeft()).toBe(0);
  expect(await standOf(member, rollout.id, lane)).toEqual(['running', false]);
  await running;
  await waitUntil(async () => (await work.settleLeft()) === 1, { what: 'the answer', intervalMs: 100 });
  expect(await standOf(member, rollout.id, lane)).toEqual(['pending', false]);
});

test('M06 closed under a worker before the catalog says so: set aside, and no failure even for a budget of none', async () => {
  history.push('create table left_four (id int)');
  const lane = await laneWith(...history);
  const { rollout } = await beginRollout(house, tenants, lane, { policy: { budget: { failures: '0' } } });
  const leaving = tenants[2] as FleetTenant;
  const { database } = namesOf(leaving.databaseId);
  const { address } = house.clusters[leaving.cluster].server;
  const change = (state: 'active' | 'suspending', open: boolean) =>
    Promise.all([
      db().updateTable('tenants').set({ state }).where('id', '=', leaving.tenantId).execute(),
      superuserSql(address, `alter database ${database} allow_connections ${open}`),
    ]);
  await change('suspending', false);
  const ended = await runToEnd(house, fleetWork(house, lane), rollout.id);
  await change('active', true);
  expect(ended).toMatchObject({ state: 'finished', verdict: null });
  expect(await countsOf(house, rollout.id)).toEqual({ done: 4, skipped: 1 });
});
