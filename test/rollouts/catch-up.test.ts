// A tenant that was away while the fleet moved on: brought to the heads when it comes back, or it stays away.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import { moveHead } from '../../catalog/lane-heads.ts';
import { findOperation } from '../../catalog/operations.ts';
import { startResumeTenant } from '../../control-plane/operations/start/start-resume-tenant.ts';
import { startSuspendTenant } from '../../control-plane/operations/start/start-suspend-tenant.ts';
import { registerRelease } from '../../control-plane/rollouts/start/register-release.ts';
import { appliedIn, createFleetTenants, type FleetTenant, inDatabase, laneWith } from '../support/fleet.ts';
import { createInstallation, type Installation } from '../support/installation.ts';

let house: Installation;
let tenants: FleetTenant[];
const caller = systemCaller('test');

beforeAll(async () => {
  house = await createInstallation();
  tenants = await createFleetTenants(house, 2);
}, 60_000);
afterAll(() => house.close());

async function headMovesTo(...statements: string[]) {
  const lane = await laneWith(...statements);
  const { release } = await registerRelease(house.catalog.db, { lane }, caller);
  await house.catalog.db.transaction().execute((tx) => moveHead(tx, 'tenant', release.id, 'test'));
  return lane;
}

async function awayWhile(tenant: FleetTenant, act: () => Promise<unknown>) {
  await house.run((await startSuspendTenant(house.catalog.db, tenant.tenantId, caller)).operation.id);
  await act();
  const { operation } = await startResumeTenant(house.catalog.db, tenant.tenantId, caller);
  await house.run(operation.id);
  return findOperation(house.catalog.db, operation.id);
}

const stateOf = async (tenant: FleetTenant) =>
  house.catalog.db
    .selectFrom('tenants as t')
    .innerJoin('databases as d', 'd.tenant_id', 't.id')
    .select(['t.state', 'd.lanes'])
    .where('t.id', '=', tenant.tenantId)
    .executeTakeFirstOrThrow();

test('M06 suspended while the fleet moves on: at the head before it is served again, and the catalog knows', async () => {
  const tenant = tenants[0] as FleetTenant;
  let lane = await laneWith('select 1');
  const operation = await awayWhile(tenant, async () => {
    lane = await headMovesTo('create table while_away (id int)');
  });
  expect(operation?.state).toBe('succeeded');
  const there = { version: lane.version, hash: lane.hash };
  expect((await appliedIn(house, tenant)).lanes.tenant).toEqual(there);
  const { state, lanes } = await stateOf(tenant);
  expect({ state, tenant: lanes.tenant, core: lanes.core?.version }).toEqual({
    state: 'active',
    tenant: there,
    core: expect.any(String),
  });
});

test('M06 one that cannot be brought to the head stays suspended and is told why; mended, it comes back', async () => {
  const tenant = tenants[1] as FleetTenant;
  const operation = await awayWhile(tenant, async () => {
    await headMovesTo('create table while_away (id int)', 'alter table while_away add constraint only_one unique (id)');
  });
  // It missed both files; the second one meets rows that a person has put there meanwhile.
  expect(operation?.state).toBe('succeeded');
  await inDatabase(house, tenant, 'insert into while_away values (1)');
  const failed = await awayWhile(tenant, async () => {
    await headMovesTo(
      'create table while_away (id int)',
      'alter table while_away add constraint only_one unique (id)',
      'alter table while_away add constraint none check (id > 1)',
    );
  });
  expect(failed).toMatchObject({ state: 'failed', error: { code: 'migration_failed', step: 'catch-up' } });
  expect(failed?.error?.message).toContain('23514');
  expect((await stateOf(tenant)).state).toBe('suspended');
  const again = await awayAgain(tenant);
  expect(again?.state).toBe('succeeded');
  expect((await stateOf(tenant)).state).toBe('active');
});

async function awayAgain(tenant: FleetTenant) {
  await house.deps.clusters.of(house.clusters[tenant.cluster].id).openDatabase(tenant.databaseId);
  await inDatabase(house, tenant, 'truncate while_away');
  const { operation } = await startResumeTenant(house.catalog.db, tenant.tenantId, caller);
  await house.run(operation.id);
  return findOperation(house.catalog.db, operation.id);
}
