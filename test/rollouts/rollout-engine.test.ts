// The rollout engine on real databases: whole rollouts, one bad tenant, budget, pause and resume, leases, caps, a moving fleet.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Caller, systemCaller } from '../../catalog/caller.ts';
import type { DatabaseId } from '../../catalog/ids.ts';
import { abortRollout } from '../../control-plane/rollouts/start/abort-rollout.ts';
import { approveRollout } from '../../control-plane/rollouts/start/approve-rollout.ts';
import { pauseRollout } from '../../control-plane/rollouts/start/pause-rollout.ts';
import { resumeRollout } from '../../control-plane/rollouts/start/resume-rollout.ts';
import { retryMembers } from '../../control-plane/rollouts/start/retry-members.ts';
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
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

let house: Installation;
let tenants: FleetTenant[];
beforeAll(async () => {
  house = await createInstallation();
  tenants = await createFleetTenants(house, 12);
}, 60_000);
afterAll(() => house.close());

const caller = systemCaller('test');
const colleague: Caller = { actor: 'key_colleague', role: 'dba' };
const ten = () => tenants.slice(0, 10);
const db = () => house.catalog.db;
// Each test goes on from the lane where the one before it ended: what was applied stays.
const history: string[] = [];
const nextLane = (statement: string) => {
  history.push(statement);
  return laneWith(...history);
};
const free = { budget: { failures: '100%' } };

test('a whole rollout: waves in order, every database at the release, one event at each turn', async () => {
  const lane = await nextLane('create table one (id int)');
  const { rollout } = await beginRollout(house, tenants, lane, { waves: [1, 3], policy: free });
  const ended = await runToEnd(house, fleetWork(house, lane), rollout.id);
  expect(ended.state).toBe('succeeded');
  expect(await countsOf(house, rollout.id)).toEqual({ done: 12 });
  for (const tenant of tenants)
    expect((await appliedIn(house, tenant)).lanes.tenant).toEqual({ version: lane.version, hash: lane.hash });
  const rows = await db().selectFrom('databases').select('lanes').where('state', '=', 'claimed').execute();
  expect(new Set(rows.map((row) => row.lanes.tenant?.hash))).toEqual(new Set([lane.hash]));
  const members = await membersOf(house, rollout.id);
  const time = (wave: number, what: 'started_at' | 'finished_at') =>
    members.filter((m) => m.wave === wave).map((m) => m[what]?.getTime() ?? 0);
  expect(Math.max(...time(0, 'finished_at'))).toBeLessThanOrEqual(Math.min(...time(1, 'started_at')));
  expect(Math.max(...time(1, 'finished_at'))).toBeLessThanOrEqual(Math.min(...time(2, 'started_at')));
  const events = await db()
    .selectFrom('events')
    .select('type')
    .where('type', 'like', 'rollout.%')
    .orderBy('seq')
    .execute();
  expect(events.map((event) => event.type)).toEqual(['rollout.started.v1', 'rollout.finished.v1']);
});

test('M13 rerun over databases that are there: every one a noop, nothing applied', async () => {
  const lane = await laneWith(...history);
  await db().updateTable('rollouts').set({ state: 'succeeded' }).execute();
  const before = await inDatabase(
    house,
    tenants[0] as FleetTenant,
    'select lane, name, applied_at from freehold.ledger order by 1, 2',
  );
  const release = (
    await db().selectFrom('releases').select('id').where('hash', '=', lane.hash).executeTakeFirstOrThrow()
  ).id;
  const { createRollout } = await import('../../control-plane/rollouts/start/create-rollout.ts');
  const { rolloutPolicySchema } = await import('../../catalog/rollout-policy.ts');
  const rollout = await createRollout(db(), caller, 'tenant', async () => ({
    kind: 'migrate',
    lane: 'tenant',
    releaseId: release,
    statement: null,
    movesHead: true,
    selection: {},
    policy: rolloutPolicySchema.parse({}),
    approvalRequired: false,
    waves: [],
    members: [],
  }));
  expect(rollout.state).toBe('succeeded');
  expect(
    await inDatabase(
      house,
      tenants[0] as FleetTenant,
      'select lane, name, applied_at from freehold.ledger order by 1, 2',
    ),
  ).toEqual(before);
});

test('M02 one tenant with bad data is quarantined with SQLSTATE, the others go on; a retry runs only it', async () => {
  const bad = tenants[7] as FleetTenant;
  await inDatabase(house, bad, 'insert into one values (1), (1)');
  const lane = await nextLane('alter table one add constraint one_id unique (id)');
  const { rollout } = await beginRollout(house, tenants, lane, { policy: { budget: { failures: '1' } } });
  const work = fleetWork(house, lane);
  expect((await runToEnd(house, work, rollout.id)).state).toBe('finished');
  expect(await countsOf(house, rollout.id)).toEqual({ done: 11, failed: 1 });
  const failed = (await membersOf(house, rollout.id)).find((m) => m.state === 'failed');
  expect(failed?.database_id).toBe(bad.databaseId);
  expect(failed?.error).toMatchObject({ sqlstate: '23505', state_of_database: 'unchanged' });
  await inDatabase(house, bad, 'truncate one');
  const done = (await membersOf(house, rollout.id)).filter((m) => m.state === 'done').map((m) => m.fence);
  await retryMembers(db(), rollout.id, caller);
  expect((await runToEnd(house, work, rollout.id)).state).toBe('succeeded');
  const again = (await membersOf(house, rollout.id))
    .filter((m) => m.database_id !== bad.databaseId)
    .map((m) => m.fence);
  expect(again).toEqual(done);
});

test('M07 a canary that fails halts before the second wave; resumed after the fix it goes through', async () => {
  const canary = tenants[0] as FleetTenant;
  await inDatabase(house, canary, 'insert into one values (null)');
  const lane = await nextLane('alter table one alter column id set not null');
  const { rollout } = await beginRollout(house, tenants, lane, { waves: [1, 4] });
  const work = fleetWork(house, lane);
  const halted = await runToEnd(house, work, rollout.id);
  expect(halted.state).toBe('halted');
  expect(halted.verdict).toMatchObject({ rule: 'canary', evidence: { failed: 1, size: 1 } });
  expect(await countsOf(house, rollout.id)).toEqual({ failed: 1, pending: 11 });
  await inDatabase(house, canary, 'delete from one');
  await retryMembers(db(), rollout.id, caller);
  await resumeRollout(db(), rollout.id, caller);
  expect((await runToEnd(house, work, rollout.id)).state).toBe('succeeded');
});

test('M08 pause holds from the next claim, resume goes on, a second rollout and wrong states are refused', async () => {
  const lane = await nextLane('create table paused (id int)');
  const { rollout } = await beginRollout(house, tenants, lane, { policy: { ...free, concurrency: 4 } });
  let pausing: Promise<unknown> | undefined;
  const work = fleetWork(house, lane, {
    observe: async () => {
      pausing ??= pauseRollout(db(), rollout.id, caller, 'to look');
      await pausing;
    },
  });
  await work.drive(rollout.id);
  await work.pump(rollout.id);
  const counts = await countsOf(house, rollout.id);
  expect(counts.done).toBeLessThanOrEqual(4);
  expect(counts.pending).toBeGreaterThanOrEqual(8);
  const second = beginRollout(house, tenants, await laneWith(...history, 'select 1'));
  await expect(second).rejects.toMatchObject({ code: 'rollout_in_progress', extra: { rollout_id: rollout.id } });
  await expect(pauseRollout(db(), rollout.id, caller)).rejects.toMatchObject({ code: 'rollout_not_in_state' });
  await resumeRollout(db(), rollout.id, caller);
  expect((await runToEnd(house, fleetWork(house, lane), rollout.id)).state).toBe('succeeded');
  await expect(abortRollout(db(), rollout.id, caller)).rejects.toMatchObject({ code: 'rollout_not_in_state' });
  const audit = await db()
    .selectFrom('audit_entries')
    .select('action')
    .where('target_id', '=', rollout.id)
    .orderBy('seq')
    .execute();
  expect(audit.map((entry) => entry.action)).toEqual(['rollout.create', 'rollout.pause', 'rollout.resume']);
});

test('M09 a worker that was stopped past its lease: another takes the member, its late record changes nothing', async () => {
  const lane = await nextLane('create table stopped (id int)');
  const { rollout } = await beginRollout(house, ten().slice(0, 1), lane);
  let wake = () => {};
  const asleep = new Promise<void>((resolve) => {
    wake = resolve;
  });
  let began = () => {};
  const begun = new Promise<void>((resolve) => {
    began = resolve;
  });
  // No renewal comes in time: as after SIGSTOP.
  const stopped = fleetWork(house, lane, {
    leaseMs: 600_000,
    observe: async () => {
      began();
      await asleep;
    },
  });
  await stopped.drive(rollout.id);
  const late = stopped.pump(rollout.id);
  await begun;
  await db()
    .updateTable('rollout_members')
    .set({ lease_until: new Date(0) })
    .where('rollout_id', '=', rollout.id)
    .execute();
  expect((await runToEnd(house, fleetWork(house, lane), rollout.id)).state).toBe('succeeded');
  const [member] = await membersOf(house, rollout.id);
  wake();
  await late;
  expect(await membersOf(house, rollout.id)).toEqual([member]);
  expect(member).toMatchObject({ state: 'done', fence: 2 });
  expect(
    (await appliedIn(house, tenants[0] as FleetTenant)).names.filter((name) => lane.files.at(-1)?.name === name),
  ).toHaveLength(1);
});

test('M17 two engines keep the caps, per cluster and in all; what is done is not repeated after a restart', async () => {
  const lane = await nextLane('create table capped (id int)');
  const { rollout } = await beginRollout(house, tenants, lane, {
    policy: { ...free, concurrency: 3, concurrency_per_cluster: 2 },
  });
  let [most, mostOfOne] = [0, 0];
  const claims: DatabaseId[] = [];
  const observe = async ({ databaseId }: { databaseId: DatabaseId }) => {
    claims.push(databaseId);
    const running = (await membersOf(house, rollout.id)).filter((member) => member.state === 'running');
    most = Math.max(most, running.length);
    for (const { id } of house.clusters)
      mostOfOne = Math.max(mostOfOne, running.filter((m) => m.cluster_id === id).length);
  };
  const [one, two] = [fleetWork(house, lane, { observe }), fleetWork(house, lane, { observe })];
  await one.drive(rollout.id);
  // The first is told to stop in the middle, as a process that is restarted.
  const stop = new AbortController();
  const first = one.pump(rollout.id, stop.signal);
  await waitUntil(async () => ((await countsOf(house, rollout.id)).done ?? 0) >= 2, {
    what: 'two done',
    timeoutMs: 30_000,
  });
  stop.abort();
  await first;
  await Promise.all([runToEnd(house, one, rollout.id), runToEnd(house, two, rollout.id)]);
  expect(await countsOf(house, rollout.id)).toEqual({ done: 12 });
  expect(most).toBeLessThanOrEqual(3);
  expect(mostOfOne).toBeLessThanOrEqual(2);
  expect(claims.length).toBe(new Set(claims).size);
});

test('R04 a dead cluster: its members wait also where the first failure stops, the others go on; when it is back it goes through', async () => {
  const lane = await nextLane('create table away (id int)');
  const policy = { on_failure: 'stop', budget: { failures: '0' } };
  const { rollout } = await beginRollout(house, tenants, lane, { policy });
  const work = fleetWork(house, lane);
  const [, { server }] = house.clusters;
  await server.kill();
  await work.drive(rollout.id);
  await waitUntil(
    async () => {
      await work.pump(rollout.id);
      const members = await membersOf(house, rollout.id);
      const here = members.filter((member) => member.cluster_id === house.clusters[0].id);
      return here.every((member) => member.state === 'done') && members.some((member) => member.attempts > 1);
    },
    { what: 'the members of the living cluster', timeoutMs: 30_000 },
  );
  const waiting = (await membersOf(house, rollout.id)).filter((member) => member.state === 'pending');
  expect(waiting.map((member) => member.error?.code)).toContain('cluster_unreachable');
  expect(await countsOf(house, rollout.id)).toEqual({ done: 6, pending: 6 });
  await server.start();
  expect((await runToEnd(house, work, rollout.id)).state).toBe('succeeded');
});

test('M03 R04 a cluster that dies under a file: its members wait too, and every file is there once', async () => {
  await nextLane('create table counted (n int); insert into counted values (1)');
  const lane = await nextLane('update counted set n = n + 1; select pg_sleep(1)');
  const { rollout } = await beginRollout(house, tenants, lane, { waves: [12], policy: { budget: { failures: '0' } } });
  const ending = runToEnd(house, fleetWork(house, lane), rollout.id);
  const [, { id, server }] = house.clusters;
  const ofIt = async () => (await membersOf(house, rollout.id)).filter((member) => member.cluster_id === id);
  const busy = () =>
    superuserSql(server.address, `select from pg_stat_activity where usename ~ '_mig$' and wait_event = 'PgSleep'`);
  await waitUntil(async () => (await busy()).length > 0, { what: 'the file runs', timeoutMs: 30_000, intervalMs: 20 });
  await server.kill();
  await waitUntil(async () => (await ofIt()).some((member) => member.error !== null), {
    what: 'somebody has noticed',
    timeoutMs: 30_000,
    intervalMs: 20,
  });
  expect((await countsOf(house, rollout.id)).failed).toBeUndefined();
  await server.start();
  expect((await ending).state).toBe('succeeded');
  for (const tenant of tenants) expect(await inDatabase(house, tenant, 'select n from counted')).toEqual([{ n: 2 }]);
}, 60_000);

test('M06 born in mid-run: migrated; deleted in mid-run: gone; the head moves behind the first wave', async () => {
  const lane = await nextLane('create table moving (id int)');
  const { rollout, release } = await beginRollout(house, ten(), lane, { waves: [1], movesHead: true, policy: free });
  const work = fleetWork(house, lane);
  await work.drive(rollout.id);
  const gone = tenants[9] as FleetTenant;
  await db().updateTable('databases').set({ state: 'retiring' }).where('id', '=', gone.databaseId).execute();
  const [born] = await createFleetTenants(house, 1, 'born');
  expect((await runToEnd(house, work, rollout.id)).state).toBe('succeeded');
  const members = await membersOf(house, rollout.id);
  const of = (tenant: FleetTenant | undefined) => members.find((m) => m.database_id === tenant?.databaseId)?.state;
  expect(of(gone)).toBe('gone');
  expect(of(born)).toBe('done');
  expect(of(tenants[11])).toBe('done'); // was not named at the beginning, and stood behind
  const head = await db().selectFrom('lane_heads').selectAll().where('lane', '=', 'tenant').executeTakeFirstOrThrow();
  expect(head.release_id).toBe(release);
  await db().updateTable('databases').set({ state: 'claimed' }).where('id', '=', gone.databaseId).execute();
});

test('a rollout that needs a second person waits for one; abort leaves who is where', async () => {
  const lane = await laneWith(...history, 'create table approved (id int)');
  const { rollout } = await beginRollout(house, ten(), lane, { approval: true });
  expect(rollout.state).toBe('awaiting-approval');
  await expect(approveRollout(db(), rollout.id, caller)).rejects.toMatchObject({
    code: 'approval_needs_second_person',
  });
  expect(await approveRollout(db(), rollout.id, colleague)).toMatchObject({
    state: 'running',
    approved_by: 'key_colleague',
  });
  expect(await abortRollout(db(), rollout.id, caller, 'no')).toMatchObject({
    state: 'aborted',
    verdict: { rule: 'aborted' },
  });
  expect(await fleetWork(house, lane).pump(rollout.id)).toEqual({ members: 0, more: false });
  expect(await countsOf(house, rollout.id)).toEqual({ pending: 10 });
});
