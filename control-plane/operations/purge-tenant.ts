// Owns the end of a tenant: database, roles and secrets are dropped; the row stays as a tombstone with id and slug, so that
// neither is ever handed to somebody else, and without anything a person wrote about it.
import { writeEvent } from '../../catalog/events.ts';
import { lockTenant, moveTenant } from '../../catalog/tenants.ts';
import type { CatalogStep, OperationDefinition } from './operation-definition.ts';
import { tenantIdOf } from './steps/database-of.ts';
import { dropFromCluster, dropRoles, forget } from './steps/drop-everything.ts';
import { fenceDatabase } from './steps/fence-database.ts';

const bury: CatalogStep = {
  name: 'bury',
  async commit(context, tx) {
    const tenantId = tenantIdOf(context);
    const tenant = await lockTenant(tx, tenantId);
    await moveTenant(tx, tenant, 'purged', { name: 'purged', labels: '{}' });
    await writeEvent(tx, { type: 'tenant.purged.v1', tenantId, payload: {} });
  },
  // What is purged does not come back.
  async undo() {},
};

export const purgeTenant: OperationDefinition = {
  kind: 'purge-tenant',
  lane: 'foreground',
  onFailure: 'keep-trying',
  steps: [fenceDatabase, dropFromCluster, dropRoles, forget, bury],
};
