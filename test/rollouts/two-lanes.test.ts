// Two lanes rolled out at once by one worker with one pair of hands: neither waits for the end of the other.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RolloutId } from '../../catalog/ids.ts';
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
