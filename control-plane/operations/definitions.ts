// Owns the list of all operations. A kind that is not here was started by a newer version of Freehold.
import { catalogFault } from '../../catalog/errors.ts';
import { createDatabase } from './create-database.ts';
import { deleteTenant } from './delete-tenant.ts';
import { dropDatabase } from './drop-database.ts';
import type { OperationDefinition } from './operation-definition.ts';
import { provisionTenant } from './provision-tenant.ts';
import { purgeTenant } from './purge-tenant.ts';
import { resumeTenant } from './resume-tenant.ts';
import { suspendTenant } from './suspend-tenant.ts';

export const definitions: readonly OperationDefinition[] = [
  provisionTenant,
  createDatabase,
  dropDatabase,
  suspendTenant,
  resumeTenant,
  deleteTenant,
  purgeTenant,
];

/** @throws Fault unknown_operation_kind */
export function definitionOf(kind: string): OperationDefinition {
  const found = definitions.find((definition) => definition.kind === kind);
  if (found !== undefined) return found;
  throw catalogFault('unknown_operation_kind', 'This version does not know the kind of the operation.', {
    internal: kind,
  });
}
