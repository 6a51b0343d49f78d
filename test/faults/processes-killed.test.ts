// Control-plane processes die by SIGKILL in the middle of twenty provisions and everything converges within a minute; then
// fifty of the tenants that came of it are suspended while they write.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Client } from '../../control-plane/client.ts';
import {
  converged,
  killOne,
  openProvisioning,
  type Provisioning,
  roundOfProvisions,
} from '../support/rounds-of-provisions.ts';
import { suspendUnderLoad } from '../support/suspend-under-load.ts';

let setting: Provisioning;
beforeAll(async () => {
  setting = await openProvisioning();
}, 120_000);
afterAll(() => setting.house.close());

test.each([1, 2, 3])(
  'P01 kill -9 of a control plane amid twenty provisions, round %i',
  async (n) => {
    await roundOfProvisions(setting, `killed-${n}`, () => killOne(setting));
  },
  120_000,
);

test('P19 suspended under load: refused within 2 s (p99), no write afterwards, back within 5 s', async () => {
  const { house, clients } = setting;
  const runtime = await house.startRuntime();
  const tenants = (await Array.fromAsync((clients()[0] as Client).tenants.list({ state: 'active' }))).slice(0, 50);
  expect(tenants).toHaveLength(50);
  const told = await suspendUnderLoad({ client: clients()[0] as Client, runtime, tenants, waitForEnd: true });
  console.log(`P19 suspend answered → refused at the runtime, 50 tenants under load: ${told.words}`);
  expect(told.p99Ms).toBeLessThan(2_000);
  expect(told.writesAfterFence).toBe(0);
  expect(told.backWithinMs).toBeLessThan(5_000);
  expect(told.lostWrites).toBe(0);
  await converged(setting);
}, 120_000);
