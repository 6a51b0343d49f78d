// Owns the beginning of a purge: from here on nothing brings the tenant back. Refused while the grace time runs, except
// where the caller forces it; who may force is decided by the API.
import type { Caller } from '../../../catalog/caller.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import type { TenantId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { nextState } from '../../../catalog/tenant-states.ts';
import { purgeTenant } from '../purge-tenant.ts';
import { moveAndBegin, type Started, type StartOptions } from './move-and-begin.ts';

/** @throws Fault grace_not_over, and those of every start */
export function startPurgeTenant(
  catalog: CatalogDb,
  tenantId: TenantId,
  caller: Caller,
  options: StartOptions & { force?: boolean } = {},
): Promise<Started> {
  const { force = false } = options;
  return moveAndBegin(catalog, tenantId, caller, options, {
    definition: purgeTenant,
    move: 'purge',
    check: (tenant) => {
      nextState(tenant.state, 'purge');
      if (force || (tenant.purge_after !== null && tenant.purge_after.getTime() <= Date.now())) return;
      throw catalogFault(
        'grace_not_over',
        'The grace time of the deleted tenant is not over. An owner may force the purge.',
        {
          extra: { purge_after: tenant.purge_after?.toISOString() },
        },
      );
    },
    detail: { force },
  });
}
