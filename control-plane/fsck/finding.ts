// Owns making one finding: the table gives severity, cause and next step, the caller says what and where.
import type { ClusterId, DatabaseId, TenantId } from '../../catalog/ids.ts';
import { type FindingCode, findingSpec } from './findings.ts';
import type { FsckFinding } from './report.ts';

export type FoundAt = {
  object: string;
  message: string;
  clusterId?: ClusterId | undefined;
  databaseId?: DatabaseId | undefined;
  tenantId?: TenantId | null | undefined;
  /** Put into the next step where that is a command. */
  clusterName?: string | undefined;
};

export function finding(code: FindingCode, at: FoundAt): FsckFinding {
  const { object, message, clusterId, databaseId, tenantId, clusterName = '<cluster>' } = at;
  const { severity, cause, next } = findingSpec(code);
  return {
    code,
    severity,
    ...(clusterId !== undefined && { clusterId }),
    ...(databaseId !== undefined && { databaseId }),
    ...(tenantId !== undefined && tenantId !== null && { tenantId }),
    object,
    message,
    cause,
    next: next.replace('<cluster>', clusterName),
  };
}
