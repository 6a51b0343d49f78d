// Owns what fsck says of operations, of keys of requests, and of what the runtime's role may do in the catalog.
import type { CatalogSnapshot } from '../../catalog/catalog-snapshot.ts';
import { finding } from './finding.ts';
import type { FsckFinding } from './report.ts';
import { operationOfState } from './tenants.ts';

export function checkOperations(snapshot: CatalogSnapshot): FsckFinding[] {
  return [...checkMisfits(snapshot), ...checkIdempotencyKeys(snapshot), ...checkRuntimeRights(snapshot)];
}

function checkMisfits({ unfinished, tenants }: CatalogSnapshot): FsckFinding[] {
  return unfinished.flatMap((operation) => {
    const tenant = operation.tenantId === null ? undefined : tenants.get(operation.tenantId);
    if (tenant === undefined || operationOfState[tenant.state] === operation.kind) return [];
    const message = `${operation.id} (${operation.kind}) is ${operation.state}, and its tenant is ${tenant.state}.`;
    return [finding('operation_misfit', { tenantId: tenant.id, object: operation.id, message })];
  });
}

function checkIdempotencyKeys({ danglingIdempotencyKeys }: CatalogSnapshot): FsckFinding[] {
  return danglingIdempotencyKeys.map(({ principal, key, tenantId, operationId }) =>
    finding('idempotency_dangling', {
      object: `${principal}/${key}`,
      message: `The Idempotency-Key ${key} of ${principal} points to ${tenantId ?? 'no tenant'} and ${operationId ?? 'no operation'}, which do not exist both.`,
    }),
  );
}

function checkRuntimeRights({ runtimeRights }: CatalogSnapshot): FsckFinding[] {
  return runtimeRights.map((right) =>
    finding('runtime_rights', {
      object: 'freehold_runtime',
      message: `The runtime's role has rights in the catalog: ${right}.`,
    }),
  );
}
