// Owns reading what most steps need from the facts: which database on which cluster.
import { catalogFault } from '../../../catalog/errors.ts';
import type { ClusterId, DatabaseId, TenantId } from '../../../catalog/ids.ts';
import type { ClusterAdmin } from '../../postgres/cluster-admin.ts';
import type { OperationFacts, StepContext } from '../operation-definition.ts';

export function hasDatabase(facts: OperationFacts): boolean {
  return facts.databaseId !== undefined;
}

/** @throws Fault database_incomplete where no earlier step has chosen one */
export function databaseIdOf({ facts, operation }: StepContext): DatabaseId {
  if (facts.databaseId !== undefined) return facts.databaseId;
  throw catalogFault('database_incomplete', 'The operation has no database to work on.', { internal: operation.id });
}

export function clusterIdOf({ facts, operation }: StepContext): ClusterId {
  if (facts.clusterId !== undefined) return facts.clusterId;
  throw catalogFault('database_incomplete', 'The operation has no cluster to work on.', { internal: operation.id });
}

export function adminOf(context: StepContext): ClusterAdmin {
  return context.deps.clusters.of(clusterIdOf(context));
}

export function tenantIdOf({ operation }: StepContext): TenantId {
  if (operation.tenant_id !== null) return operation.tenant_id;
  throw catalogFault('database_incomplete', 'The operation has no tenant to work for.', { internal: operation.id });
}
