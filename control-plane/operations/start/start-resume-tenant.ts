// Owns the beginning of a resume: the database is opened first, and only then is the tenant served again.
import type { Caller } from '../../../catalog/caller.ts';
import type { TenantId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { resumeTenant } from '../resume-tenant.ts';
import { moveAndBegin, type Started, type StartOptions } from './move-and-begin.ts';

export function startResumeTenant(
  catalog: CatalogDb,
  tenantId: TenantId,
  caller: Caller,
  options: StartOptions = {},
): Promise<Started> {
  return moveAndBegin(catalog, tenantId, caller, options, {
    definition: resumeTenant,
    move: 'resume',
    facts: () => ({ returnTo: 'active' }),
  });
}
