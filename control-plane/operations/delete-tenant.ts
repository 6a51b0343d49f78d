// Owns the soft deletion: the tenant is out of service and its database closed, and until the grace time ends everything is
// still there. purge-tenant is the end.
import { setFenced } from '../../catalog/databases.ts';
import { writeEvent } from '../../catalog/events.ts';
import { lockTenant, moveTenant } from '../../catalog/tenants.ts';
import type { CatalogStep, OperationDefinition } from './operation-definition.ts';
import { tenantIdOf } from './steps/database-of.ts';
import { fenceDatabase } from './steps/fence-database.ts';

const confirm: CatalogStep = {
  name: 'confirm',
  async commit(context, tx) {
    const tenantId = tenantIdOf(context);
    const tenant = await lockTenant(tx, tenantId);
    if (context.facts.databaseId !== undefined) await setFenced(tx, context.facts.databaseId, true);
    await moveTenant(tx, tenant, 'deleted');
    await writeEvent(tx, {
      type: 'tenant.deleted.v1',
      tenantId,
      payload: { slug: tenant.slug, purge_after: tenant.purge_after?.toISOString() ?? null },
    });
  },
  // Nothing: a deletion only goes forward; undelete is its opposite.
  async undo() {},
};

export const deleteTenant: OperationDefinition = {
  kind: 'delete-tenant',
  lane: 'foreground',
  onFailure: 'keep-trying',
  steps: [fenceDatabase, confirm],
};
