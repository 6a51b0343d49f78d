// Owns bringing a tenant back: from suspended to active, or from deleted to where it was before. The database is opened
// and brought to where the fleet has gone meanwhile before the tenant is served; where that cannot be done, it stays away.
import { setFenced, setLanes } from '../../catalog/databases.ts';
import { writeEvent } from '../../catalog/events.ts';
import type { TenantMove } from '../../catalog/tenant-states.ts';
import { lockTenant, moveTenant, type TenantPatch } from '../../catalog/tenants.ts';
import type { CatalogStep, OperationDefinition, OperationFacts } from './operation-definition.ts';
import { catchUp } from './steps/catch-up.ts';
import { databaseIdOf, tenantIdOf } from './steps/database-of.ts';
import { reopenDatabase } from './steps/open-database.ts';

const comeBack: CatalogStep = {
  name: 'come-back',
  async commit(context, tx) {
    const tenantId = tenantIdOf(context);
    const { facts } = context;
    const tenant = await lockTenant(tx, tenantId);
    if (facts.returnTo === 'active') await setFenced(tx, databaseIdOf(context), false);
    if (facts.lanes !== undefined) await setLanes(tx, databaseIdOf(context), facts.lanes);
    await moveTenant(tx, tenant, moveOf(facts), facts.undelete ? notDeleted : {});
    await writeEvent(tx, {
      type: facts.undelete ? 'tenant.undeleted.v1' : 'tenant.resumed.v1',
      tenantId,
      payload: { slug: tenant.slug },
    });
  },
  // The last step.
  async undo() {},
};

const notDeleted: TenantPatch = { deleted_from: null, deleted_at: null, purge_after: null };

function moveOf({ returnTo }: OperationFacts): TenantMove {
  if (returnTo === 'suspended') return 'undeleted-suspended';
  return returnTo === 'failed' ? 'undeleted-failed' : 'resumed';
}

export const resumeTenant: OperationDefinition = {
  kind: 'resume-tenant',
  lane: 'foreground',
  onFailure: 'undo',
  steps: [reopenDatabase, catchUp, comeBack],
  async settle(context, tx) {
    const tenant = await lockTenant(tx, tenantIdOf(context));
    await moveTenant(tx, tenant, context.facts.undelete ? 'undelete-undone' : 'resume-undone');
  },
};
