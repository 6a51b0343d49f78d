// Owns the beginning of a suspension. When it returns, no route serves the tenant and none of its tokens is good any more;
// the operation then closes the database and ends its sessions.
import type { Caller } from '../../../catalog/caller.ts';
import type { TenantId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { suspendTenant } from '../suspend-tenant.ts';
import { moveAndBegin, type Started, type StartOptions } from './move-and-begin.ts';

export function startSuspendTenant(
  catalog: CatalogDb,
  tenantId: TenantId,
  caller: Caller,
  options: StartOptions = {},
): Promise<Started> {
  return moveAndBegin(catalog, tenantId, caller, options, { definition: suspendTenant, move: 'suspend' });
}
