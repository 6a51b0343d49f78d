// provision-tenant as its callers see it: warm, cold, failed, moved on to another cluster.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import { findTenant } from '../../catalog/tenants.ts';
import { startCreateDatabase } from '../../control-plane/operations/start/start-create-database.ts';
import { startProvisionTenant } from '../../control-plane/operations/start/start-provision-tenant.ts';
import { expectCleanSlate } from '../support/clean-slate.ts';
import { createInstallation, type Installation } from '../support/installation.ts';

let house: Installation;
beforeAll(async () => {
  house = await createInstallation();
});
afterAll(() => house.close());

const caller = systemCaller('test');
let count = 0;
const newTenant = (planId = 'team') => ({
  slug: `tenant-${++count}`,
  name: 'A tenant',
  region: 'here',
  tier: 'shared' as const,
  planId,
  labels: {},
});

test('a tenant without stock gets a new database', async () => {
  const { tenant, operation } = await startProvisionTenant(house.catalog.db, newTenant(), caller);
  expect(await house.run(operation.id)).toEqual({ outcome: 'succeeded' });
  expect(await findTenant(house.catalog.db, tenant.id)).toMatchObject({ state: 'active', generation: 2, epoch: 1 });
  await expectCleanSlate(house);
});

test('a tenant with stock gets the warm database', async () => {
  const made = await startCreateDatabase(house.catalog.db, house.clusters[0].id, caller);
  expect(await house.run(made.id)).toEqual({ outcome: 'succeeded' });
  const { tenant, operation } = await startProvisionTenant(house.catalog.db, newTenant('starter'), caller);
  expect(await house.run(operation.id)).toEqual({ outcome: 'succeeded' });
  const database = await house.catalog.db
    .selectFrom('databases')
    .selectAll()
    .where('tenant_id', '=', tenant.id)
    .executeTakeFirstOrThrow();
  const { database_id } = await house.catalog.db
    .selectFrom('operations')
    .selectAll()
    .where('id', '=', made.id)
    .executeTakeFirstOrThrow();
  expect(database).toMatchObject({ id: database_id, state: 'claimed' });
  await expectCleanSlate(house);
});
