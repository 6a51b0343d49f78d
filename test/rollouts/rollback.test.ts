// Going back over several databases that stand at different releases, and a budget that counts the time spent waiting for locks.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import type { ReleaseId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import type { Lane } from '../../control-plane/migration-files/migration-file.ts';
import { readLane } from '../../control-plane/migration-files/read-folder.ts';
import { registerRelease } from '../../control-plane/rollouts/start/register-release.ts';
import { retryMembers } from '../../control-plane/rollouts/start/retry-members.ts';
import { openSession } from '../../platform/postgres/session.ts';
import {
  appliedIn,
  beginRollout,
  countsOf,
  createFleetTenants,
  type FleetTenant,
  fleetWork,
  inDatabase,
  membersOf,
  runToEnd,
} from '../support/fleet.ts';
import { createInstallation, type Installation } from '../support/installation.ts';
import { laneOfTexts } from '../support/lanes.ts';
import { laneFolder } from '../support/tenant-cluster.ts';
import { waitUntil } from '../support/wait-until.ts';

let house: Installation;
let tenants: FleetTenant[];
const at: { lane: Lane; release: ReleaseId }[] = [];
const caller = systemCaller('test');
const free = { budget: { failures: '100%' }, lock_timeout_ms: 200, lock_retries: 0 };

const plain = '-- Up Migration\ncreate table back (id int);\n-- Down Migration\ndrop table back;';
const alone = `-- freehold: no-transaction
-- Up Migration
create index concurrently back_one on back (id);
create index concurrently back_two on back (id);
-- Down Migration
drop index concurrently back_two;
drop index concurrently back_one;`;
const wide =
  '-- Up Migration\nalter table back add column more int;\n-- Down Migration\nalter table back drop column more;';
const oneWay = 'alter table back add column forever int';

beforeAll(async () => {
  house = await createInstallation();
  tenants = await createFleetTenants(house, 5);
  const base = await readLane('tenant', laneFolder('tenant'));
  const texts = [plain, alone, wide, oneWay];
  for (let files = 0; files <= texts.length; files += 1) {
    const lane = files === 0 ? base : await laneOfTexts(texts.slice(0, files), base);
    const { release } = await registerRelease(house.catalog.db, { lane }, caller);
    at.push({ lane, release: release.id });
  }
}, 60_000);
afterAll(() => house?.close());

async function bring(whom: readonly FleetTenant[], to: number, kind: 'migrate' | 'rollback', policy: object = free) {
  const { lane, release } = at[to] as (typeof at)[number];
  const { rollout } = await beginRollout(house, whom, lane, { kind, release, policy });
  const work = fleetWork(house, lane);
  return { rollout: await runToEnd(house, work, rollout.id), work, lane };
}

test('M14 a rollback takes every database to the release, from wherever it stands; one that is there is a noop', async () => {
  const [first, second, third] = [tenants.slice(0, 1), tenants.slice(1, 3), tenants.slice(3)];
  await bring(first, 1, 'migrate');
  await bring(second, 2, 'migrate');
  await bring(third, 3, 'migrate');
  const { rollout, lane } = await bring(tenants, 1, 'rollback');
  expect(rollout.state).toBe('succeeded');
  expect(await countsOf(house, rollout.id)).toEqual({ noop: 1, done: 4 });
  for (const tenant of tenants) {
    expect((await appliedIn(house, tenant)).lanes.tenant).toEqual({ version: lane.version, hash: lane.hash });
    expect(
      await inDatabase(
        house,
        tenant,
        `select count(*)::int as columns, to_regclass('back_one') as index, (select count(*)::int from pgmigrations where name like '%_file') as booked
         from pg_attribute where attrelid = 'back'::regclass and attnum > 0 and not attisdropped`,
      ),
    ).toEqual([{ columns: 1, index: null, booked: 1 }]);
  }
});

test('M03 M14 a way back outside of a transaction that is cut off goes on where it was', async () => {
  const tenant = tenants[0] as FleetTenant;
  await bring([tenant], 2, 'migrate');
  const address = { ...house.clusters[tenant.cluster].server.address, database: namesOf(tenant.databaseId).database };
  const sitter = await openSession(address, { applicationName: 'sitter' });
  // The first index can go, the second is in use: DROP INDEX CONCURRENTLY waits for those who may still use it.
  const { lane, release } = at[1] as (typeof at)[number];
  const { rollout } = await beginRollout(house, [tenant], lane, {
    kind: 'rollback',
    release,
    policy: { ...free, lock_timeout_ms: 30_000 },
  });
  const work = fleetWork(house, lane);
  await sitter.begin();
  await sitter.query('select from back');
  const running = runToEnd(house, work, rollout.id);
  const cut = async () =>
    inDatabase(
      house,
      tenant,
      `select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and query ~ '^\\s*drop index'`,
    );
  await waitUntil(async () => (await cut()).length > 0, { what: 'the way back waits and is cut off' });
  expect((await running).state).toBe('finished');
  const [failed] = await membersOf(house, rollout.id);
  expect(failed?.error).toMatchObject({ state_of_database: 'partly-migrated', retryable: true });
  await sitter.close();
  await retryMembers(house.catalog.db, rollout.id, caller);
  expect((await runToEnd(house, work, rollout.id)).state).toBe('succeeded');
  expect((await appliedIn(house, tenant)).lanes.tenant?.hash).toBe(lane.hash);
  expect(
    await inDatabase(
      house,
      tenant,
      `select from pg_class where relname in ('back_one', 'back_two') union all select from freehold.progress`,
    ),
  ).toEqual([]);
});

test('M14 what declares no way back stops the rollback of that database before anything of it is undone', async () => {
  await bring(tenants.slice(0, 2), 4, 'migrate');
  const { rollout } = await bring(tenants, 1, 'rollback');
  expect(rollout.state).toBe('finished');
  expect(await countsOf(house, rollout.id)).toEqual({ failed: 2, noop: 3 });
  const refused = (await membersOf(house, rollout.id)).filter((member) => member.state === 'failed');
  for (const { error } of refused)
    expect(error).toMatchObject({ code: 'not_reversible', state_of_database: 'unchanged', retryable: false });
  expect((await appliedIn(house, tenants[0] as FleetTenant)).lanes.tenant?.hash).toBe(at[4]?.lane.hash);
});

test('M01 M07 a budget of lock waits halts the rollout; the member names who stood in the way', async () => {
  const whom = tenants.slice(2);
  const held = whom[0] as FleetTenant;
  const address = { ...house.clusters[held.cluster].server.address, database: namesOf(held.databaseId).database };
  const sitter = await openSession(address, { applicationName: 'report' });
  await sitter.begin();
  await sitter.query('select from back');
  const { rollout } = await bring(whom, 3, 'migrate', {
    lock_timeout_ms: 400,
    lock_retries: 1,
    budget: { failures: '100%', lock_wait_ms: 100 },
  });
  await sitter.close();
  expect(rollout.state).toBe('halted');
  expect(rollout.verdict).toMatchObject({
    rule: 'lock_wait_ms',
    evidence: { database_id: held.databaseId, allowed_ms: 100 },
  });
  const member = (await membersOf(house, rollout.id)).find((each) => each.database_id === held.databaseId);
  expect(member?.lock_wait_ms).toBeGreaterThan(100);
  expect(member?.error?.blocker).toMatchObject({ application: 'report', state: 'idle in transaction' });
});
