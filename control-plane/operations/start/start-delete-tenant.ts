// Owns the beginning of a deletion: soft, with a grace time in which it can be taken back. Nothing is dropped before that.
import type { Caller } from '../../../catalog/caller.ts';
import type { TenantId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import type { TenantRow } from '../../../catalog/tenants.ts';
import { deleteTenant } from '../delete-tenant.ts';
import { moveAndBegin, type Started, type StartOptions } from './move-and-begin.ts';

/** Long enough to notice a mistake after a holiday; the Atlassian outage of 2022 is why there is one at all. */
export const deletionGraceDefaultMs = 30 * 24 * 3_600_000;

export function startDeleteTenant(
  catalog: CatalogDb,
  tenantId: TenantId,
  caller: Caller,
  options: StartOptions & { graceMs?: number } = {},
): Promise<Started> {
  const { graceMs = deletionGraceDefaultMs } = options;
  return moveAndBegin(catalog, tenantId, caller, options, {
    definition: deleteTenant,
    move: 'delete',
    patch: (tenant) => {
      const now = Date.now();
      return { deleted_from: deletedFrom(tenant), deleted_at: new Date(now), purge_after: new Date(now + graceMs) };
    },
    detail: { grace_ms: graceMs },
  });
}

function deletedFrom(tenant: TenantRow): 'active' | 'suspended' | 'failed' | null {
  const { state } = tenant;
  return state === 'active' || state === 'suspended' || state === 'failed' ? state : null; // any other is refused by the move
}
