// Every message that a cold provisioning sends, to the catalog and to the cluster, is once the last thing that arrives: the
// server acts on it, the connection is reset, nobody hears the answer. Generated from the number of messages there are.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import { findTenant } from '../../catalog/tenants.ts';
import { runOperation } from '../../control-plane/operations/engine/run-operation.ts';
import { startProvisionTenant } from '../../control-plane/operations/start/start-provision-tenant.ts';
import { expectCleanSlate } from '../support/clean-slate.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { createInstallation, type Installation, openEngine } from '../support/installation.ts';

/** Short, so that what was abandoned is soon taken up; a step takes a tenth of it here. */
const leaseMs = 1_000;
/** More than there are; the loop ends by itself. */
const messagesMax = 200;

let house: Installation;
let engine: Awaited<ReturnType<typeof openEngine>>;
const proxies: Record<'catalog' | 'cluster', FaultProxy> = {} as never;
let count = 0;

beforeAll(async () => {
  house = await createInstallation();
  const [one, two] = house.clusters;
  proxies.catalog = await startFaultProxy(house.catalog.address);
  proxies.cluster = await startFaultProxy(one.server.address);
  const { host, port } = proxies.cluster;
  const { db } = house.catalog;
  await db.updateTable('clusters').set({ host, port, capacity: 500 }).where('id', '=', one.id).execute();
  await db.updateTable('clusters').set({ state: 'draining' }).where('id', '=', two.id).execute();
  engine = await openEngine(
    { ...house.catalog.address, host: proxies.catalog.host, port: proxies.catalog.port },
    'cut off',
  );
});

afterAll(async () => {
  await engine.connections.close();
  await engine.catalog.close();
  await house.close();
  await Promise.all([proxies.catalog.close(), proxies.cluster.close()]);
});

async function provisionWithLostAnswer(
  proxy: FaultProxy,
  n: number,
): Promise<{ state: string | undefined; reached: boolean }> {
  const input = {
    slug: `lost-${++count}`,
    name: 'x',
    region: 'here',
    tier: 'shared' as const,
    planId: 'team',
    labels: {},
  };
  const { tenant, operation } = await startProvisionTenant(house.catalog.db, input, systemCaller('test'));
  proxy.resetAfterSend(n);
  await runOperation({ ...engine.deps, wake: async () => {}, leaseMs }, operation.id).catch(() => {});
  const reached = proxy.sends >= n;
  proxy.heal();
  await house.runAll({ leaseMs });
  return { state: (await findTenant(house.catalog.db, tenant.id))?.state, reached };
}

describe.each(['catalog', 'cluster'] as const)('the answer of the %s', (which) => {
  test('P01 lost after each message of a provisioning: the tenant becomes active, and fsck is clean', {
    timeout: 240_000,
  }, async () => {
    let cases = 0;
    for (let n = 1; n <= messagesMax; n++) {
      const { state, reached } = await provisionWithLostAnswer(proxies[which], n);
      expect({ n, state }).toEqual({ n, state: 'active' });
      if (!reached) break;
      cases = n;
    }
    process.stdout.write(`${cases} messages to the ${which}, each once without an answer\n`);
    expect(cases).toBeGreaterThan(5);
    expect(cases).toBeLessThan(messagesMax);
    await expectCleanSlate(house);
  });
});
