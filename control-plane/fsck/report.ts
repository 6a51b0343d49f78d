// Owns the shape of what fsck finds: the same for the API, the command line and every fault test that ends with it.
import type { ClusterId, DatabaseId, OperationId, TenantId } from '../../catalog/ids.ts';
import type { FsckSeverity } from './finding-spec.ts';
import type { FindingCode } from './findings.ts';

export type FsckFinding = {
  /** Stable, for programs; the table of all is findings.ts. */
  code: FindingCode;
  severity: FsckSeverity;
  clusterId?: ClusterId;
  databaseId?: DatabaseId;
  tenantId?: TenantId;
  /** The thing itself: a database, role, route or secret by its name. */
  object: string;
  message: string;
  cause: string;
  /** What to do about it. */
  next: string;
};

/** What an unfinished operation is changing: looked at by the operation itself, not by fsck. */
export type FsckInProgress = {
  operationId: OperationId;
  kind: string;
  tenantId?: TenantId;
  databaseId?: DatabaseId;
  attempt: number;
};

export type FsckReport = {
  /** No error and no warning. Things in progress and databases that could not be looked into do not count. */
  clean: boolean;
  /** How many of each kind of thing were looked at. */
  checked: FsckCounts;
  /** The most severe first. */
  findings: FsckFinding[];
  inProgress: FsckInProgress[];
  durationMs: number;
};

export type FsckCounts = {
  clusters: number;
  databases: number;
  roles: number;
  routes: number;
  secrets: number;
  /** Databases whose inside was read. */
  looked_into: number;
  /** Databases whose inside was not: fenced, in progress, on an unreachable cluster, or not asked for. */
  not_looked_into: number;
};
