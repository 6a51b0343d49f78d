// Owns the beginning of an undelete: back to the state the tenant was deleted from, by the same operation as a resume.
import type { Caller } from '../../../catalog/caller.ts';
import type { TenantId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { resumeTenant } from '../resume-tenant.ts';
import { moveAndBegin, type Started, type StartOptions } from './move-and-begin.ts';

export function startUndeleteTenant(
  catalog: CatalogDb,
  tenantId: TenantId,
  caller: Caller,
  options: StartOptions = {},
): Promise<Started> {
  return moveAndBegin(catalog, tenantId, caller, options, {
    definition: resumeTenant,
    move: 'undelete',
    facts: (tenant) => ({ returnTo: tenant.deleted_from ?? 'active', undelete: true }),
  });
}
