// Owns taking a tenant out of service. Its start has made every route and token useless already; these steps end what was
// open, so that no statement of the tenant runs or commits afterwards (P19).
import { setFenced } from '../../catalog/databases.ts';
import { writeEvent } from '../../catalog/events.ts';
import { lockTenant, moveTenant } from '../../catalog/tenants.ts';
import type { CatalogStep, OperationDefinition } from './operation-definition.ts';
import { databaseIdOf, tenantIdOf } from './steps/database-of.ts';
import { fenceDatabase } from './steps/fence-database.ts';

const confirm: CatalogStep = {
  name: 'confirm',
  async commit(context, tx) {
    const tenantId = tenantIdOf(context);
    const tenant = await lockTenant(tx, tenantId);
    await setFenced(tx, databaseIdOf(context), true);
    await moveTenant(tx, tenant, 'suspended');
    await writeEvent(tx, { type: 'tenant.suspended.v1', tenantId, payload: { slug: tenant.slug } });
  },
  // Nothing: a suspension only goes forward; resume is its opposite.
  async undo() {},
};

export const suspendTenant: OperationDefinition = {
  kind: 'suspend-tenant',
  lane: 'foreground',
  onFailure: 'keep-trying',
  steps: [fenceDatabase, confirm],
};
