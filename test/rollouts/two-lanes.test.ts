// Two lanes rolled out at once by one worker with one pair of hands: neither waits for the end of the other. And neither makes
// those wait long who want a tenant meanwhile.
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import type { RolloutId } from '../../catalog/ids.ts';
import { startProvisionTenant } from '../../control-plane/operations/start/start-provision-tenant.ts';
import { takeTurn } from '../../control-plane/rollouts/work/take-turn.ts';
import {
  appliedIn,
  type Begun,
  beginRollout,
  countsOf,
  createFleetTenants,
  type FleetTenant,
  fleetWork,
  laneWith,
  namedLaneWith,
} from '../support/fleet.ts';
import { createInstallation, type Installation } from '../support/installation.ts';

let house: Installation;
let tenants: FleetTenant[];
beforeAll(async () => {
  house = await createInstallation();
  tenants = await createFleetTenants(house, 6);
}, 60_000);
afterAll(() => house.close());

/** One database after the other, each longer than a slice: every slice has one of them at least. */
const policy = { concurrency: 1, budget: { failures: '100%' } };
const sliceMs = 50;
const slow = 'select pg_sleep(0.1)';

/** As the queue does with one worker: first come, first served, and who made room comes behind the others. */
async function workThrough(begun: readonly Begun[]): Promise<{ order: string; turns: number }> {
  let order = '';
  let turns = 0;
  const works = new Map<RolloutId, ReturnType<typeof fleetWork>>();
  for (const { lane, rollout } of begun) {
    const observe = async () => {
      order += lane.name.charAt(0);
    };
    works.set(rollout.id, fleetWork(house, lane, { sliceMs, observe }));
    await works.get(rollout.id)?.drive(rollout.id);
  }
  const waiting = begun.map(({ rollout }) => rollout.id);
  for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
    turns++;
    if ((await works.get(id)?.pump(id))?.more === true) waiting.push(id);
  }
  return { order, turns };
}

test('two lanes: each makes room after its slice, so both go on from the first seconds', async () => {
  const lanes = [await namedLaneWith('core', [slow]), await laneWith(slow)] as const;
  const begun = [
    await beginRollout(house, tenants, lanes[0], { policy }),
    await beginRollout(house, tenants, lanes[1], { policy }),
  ] as const;
  const { order } = await workThrough(begun);
  expect(order.replaceAll('t', '')).toBe('cccccc');
  expect(order.replaceAll('c', '')).toBe('tttttt');
  // Nobody's second slice comes before the other's first.
  expect(order.indexOf('t')).toBeLessThan(order.lastIndexOf('c'));
  const changes = order.match(/ct|tc/g)?.length ?? 0;
  expect(changes).toBeGreaterThanOrEqual(4);
  for (const { rollout } of begun) expect(await countsOf(house, rollout.id)).toEqual({ done: 6 });
  for (const tenant of tenants) {
    const { lanes: at } = await appliedIn(house, tenant);
    expect([at.core?.hash, at.tenant?.hash]).toEqual([lanes[0].hash, lanes[1].hash]);
  }
});

test('one that runs alone makes room for nobody', async () => {
  const begun = await beginRollout(house, tenants, await laneWith(slow, 'select 1'), { policy });
  expect(await workThrough([begun])).toEqual({ order: 'tttttt', turns: 1 });
});

test('while somebody waits for a tenant a rollout works at a quarter of its width, and at full width again afterwards', async () => {
  const lane = await laneWith(slow, 'select 1', 'select 2');
  const wide = { ...policy, concurrency: 5 };
  const { rollout } = await beginRollout(house, tenants, lane, { policy: wide });
  await fleetWork(house, lane).drive(rollout.id);
  const turn = async () => {
    const input = {
      rolloutId: rollout.id,
      version: lane.version,
      results: [],
      holder: 'test',
      leaseMs: 60_000,
      max: 8,
    };
    return (await takeTurn(house.catalog.db, input)).claimed.length;
  };
  const operations = house.catalog.db.updateTable('operations');
  await operations.set({ created_at: sql`now() - interval '1 minute'` }).execute();
  const tenant = { slug: 'waits', name: 'w', region: 'here', tier: 'shared', planId: 'team', labels: {} } as const;
  const { operation } = await startProvisionTenant(house.catalog.db, tenant, systemCaller('test'));
  expect(await turn()).toBe(2);
  expect(await turn()).toBe(0);
  // Background work is nobody who waits, and who has waited for long must not hold up the fleet for ever.
  await operations.set({ lane: 'background' }).where('id', '=', operation.id).execute();
  expect(await turn()).toBe(3);
});
