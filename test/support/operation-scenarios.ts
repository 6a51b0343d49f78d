// Owns one way to begin each operation for the shared proof, and what must hold when it has ended. Tenants and databases that
// earlier scenarios have left in the right state are used again.
import { randomBytes } from 'node:crypto';
import { systemCaller } from '../../catalog/caller.ts';
import type { OperationId, TenantId } from '../../catalog/ids.ts';
import type { TenantState } from '../../catalog/tenant-states.ts';
import type { OperationKind } from '../../control-plane/operations/operation-definition.ts';
import { startCreateDatabase } from '../../control-plane/operations/start/start-create-database.ts';
import { startDeleteTenant } from '../../control-plane/operations/start/start-delete-tenant.ts';
import { startDropDatabase } from '../../control-plane/operations/start/start-drop-database.ts';
import { startProvisionTenant } from '../../control-plane/operations/start/start-provision-tenant.ts';
import { startPurgeTenant } from '../../control-plane/operations/start/start-purge-tenant.ts';
import { startResumeTenant } from '../../control-plane/operations/start/start-resume-tenant.ts';
import { startSuspendTenant } from '../../control-plane/operations/start/start-suspend-tenant.ts';
import { startUndeleteTenant } from '../../control-plane/operations/start/start-undelete-tenant.ts';
import type { Installation } from './installation.ts';

export type Scenario = {
  name: string;
  kind: OperationKind;
  /** The steps that apply, in order. */
  steps: readonly string[];
  begin(house: Installation): Promise<OperationId>;
};

export const caller = systemCaller('test');

const cold = [
  'choose-database',
  'make-roles',
  'create-database',
  'open-database',
  'apply-schema',
  'stamp-identity',
  'activate',
];

export const scenarios: readonly Scenario[] = [
  {
    name: 'create-database',
    kind: 'create-database',
    steps: ['reserve-database', 'make-roles', 'create-database', 'open-database', 'apply-schema', 'put-in-stock'],
    begin: async (house) => (await startCreateDatabase(house.catalog.db, house.clusters[0].id, caller)).id,
  },
  {
    name: 'provision-tenant from the stock',
    kind: 'provision-tenant',
    steps: ['choose-database', 'set-limits', 'stamp-identity', 'activate'],
    async begin(house) {
      await needWarm(house);
      return provision(house, 'starter');
    },
  },
  {
    name: 'drop-database',
    kind: 'drop-database',
    steps: ['check-identity', 'fence-database', 'drop-database', 'drop-roles', 'forget-database'],
    async begin(house) {
      const database = await needWarm(house);
      const start = house.catalog.db.transaction().execute((tx) => startDropDatabase(tx, database, caller, 'test'));
      return (await start).id;
    },
  },
  {
    name: 'provision-tenant without stock',
    kind: 'provision-tenant',
    steps: cold,
    async begin(house) {
      await house.catalog.db.updateTable('databases').set({ state: 'retiring' }).where('state', '=', 'warm').execute();
      await house.catalog.db.transaction().execute(async (tx) => {
        const retiring = await tx
          .selectFrom('databases')
          .select(['id', 'cluster_id'])
          .where('state', '=', 'retiring')
          .execute();
        for (const database of retiring) await startDropDatabase(tx, database, caller, 'test');
      });
      await house.runAll();
      return provision(house, 'team');
    },
  },
  {
    name: 'suspend-tenant',
    kind: 'suspend-tenant',
    steps: ['fence-database', 'confirm'],
    begin: async (house) =>
      (await startSuspendTenant(house.catalog.db, await needTenant(house, 'active'), caller)).operation.id,
  },
  {
    name: 'resume-tenant',
    kind: 'resume-tenant',
    steps: ['open-database', 'catch-up', 'come-back'],
    async begin(house) {
      const id = await needTenant(house, 'suspended');
      return (await startResumeTenant(house.catalog.db, id, caller)).operation.id;
    },
  },
  {
    name: 'delete-tenant',
    kind: 'delete-tenant',
    steps: ['fence-database', 'confirm'],
    async begin(house) {
      const id = await needTenant(house, 'active');
      return (await startDeleteTenant(house.catalog.db, id, caller, { graceMs: 0 })).operation.id;
    },
  },
  {
    name: 'undelete (resume-tenant)',
    kind: 'resume-tenant',
    steps: ['open-database', 'catch-up', 'come-back'],
    async begin(house) {
      const id = await needTenant(house, 'deleted');
      return (await startUndeleteTenant(house.catalog.db, id, caller)).operation.id;
    },
  },
  {
    name: 'purge-tenant',
    kind: 'purge-tenant',
    steps: ['fence-database', 'drop-database', 'drop-roles', 'forget-database', 'bury'],
    async begin(house) {
      const id = await needTenant(house, 'deleted');
      return (await startPurgeTenant(house.catalog.db, id, caller)).operation.id;
    },
  },
];

async function provision({ catalog }: Installation, planId: string): Promise<OperationId> {
  const slug = `t-${randomBytes(6).toString('hex')}`;
  const input = { slug, name: slug, region: 'here', tier: 'shared' as const, planId, labels: { made: 'by a test' } };
  return (await startProvisionTenant(catalog.db, input, caller)).operation.id;
}

/** Tenants in this state that have a database; made where there is none. */
export async function needTenant(house: Installation, state: 'active' | 'suspended' | 'deleted'): Promise<TenantId> {
  const { db } = house.catalog;
  const inState = (wanted: TenantState) =>
    db
      .selectFrom('tenants as t')
      .innerJoin('databases as d', (join) => join.onRef('d.tenant_id', '=', 't.id').on('d.state', '=', 'claimed'))
      .select('t.id')
      .where('t.state', '=', wanted)
      .executeTakeFirst();
  const found = await inState(state);
  if (found !== undefined) return found.id;
  if (state === 'active') await house.run(await provision(house, 'team'));
  else {
    const id = await needTenant(house, 'active');
    const start =
      state === 'suspended'
        ? await startSuspendTenant(db, id, caller)
        : await startDeleteTenant(db, id, caller, { graceMs: 0 });
    await house.run(start.operation.id);
  }
  return (await inState(state))?.id ?? needTenant(house, state);
}

async function needWarm(house: Installation) {
  const warm = () =>
    house.catalog.db
      .selectFrom('databases')
      .select(['id', 'cluster_id'])
      .where('state', '=', 'warm')
      .executeTakeFirst();
  const found = await warm();
  if (found !== undefined) return found;
  const made = await startCreateDatabase(house.catalog.db, house.clusters[0].id, caller);
  await house.run(made.id);
  const database = await warm();
  if (database === undefined) throw new Error('no warm database was made');
  return database;
}
