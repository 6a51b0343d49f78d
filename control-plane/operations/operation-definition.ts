// Owns the shape of every operation: a kind, a list of steps, and what a failure means. Read engine/run-operation.ts for how
// they are run. Facts are what later steps need and what must survive a crash; they are written with every recorded step.
import type { ClusterId, DatabaseId, TenantId } from '../../catalog/ids.ts';
import type { CatalogDb, CatalogTx } from '../../catalog/open-catalog.ts';
import type { OperationRow } from '../../catalog/operations.ts';
import type { LaneVersions, OperationError, OperationLane, Tier } from '../../catalog/schema.ts';
import type { Log } from '../../platform/log.ts';
import type { Sealer } from '../../platform/sealing.ts';
import type { ClusterAdmin, DatabaseLimits } from '../postgres/cluster-admin.ts';
import type { TenantDatabases } from '../postgres/tenant-database.ts';
import type { Wake } from './wake.ts';

export type OperationKind =
  | 'provision-tenant'
  | 'create-database'
  | 'drop-database'
  | 'suspend-tenant'
  | 'resume-tenant'
  | 'delete-tenant'
  | 'purge-tenant';

export type OperationFacts = {
  databaseId?: DatabaseId;
  clusterId?: ClusterId;
  /** The database was taken from the stock. */
  warm?: boolean;
  /** Limits of the plan, where the roles have others. */
  limits?: DatabaseLimits;
  lanes?: LaneVersions;
  region?: string;
  tier?: Tier;
  /** The database must not go back to the stock: nobody can say what it holds. */
  spoiled?: boolean;
  /** Found on a cluster without a row. */
  adopted?: boolean;
  /** The cluster of the placement that was just undone. */
  failedOn?: ClusterId;
  /** Clusters that failed earlier placements of this operation. */
  avoid?: ClusterId[];
  /** Where a resume ends: 'active', or where an undelete came from. */
  returnTo?: 'active' | 'suspended' | 'failed';
  /** A resume that is an undelete goes back to deleted. */
  undelete?: boolean;
};

export type StepContext = {
  readonly operation: OperationRow & { readonly tenant_id: TenantId | null };
  /** Steps may change it; it is recorded with the step. */
  readonly facts: OperationFacts;
  readonly deps: StepDeps;
  /** While undoing: why. */
  readonly failure: OperationError | null;
  /** Aborted when the lease is lost or the process stops. */
  readonly signal: AbortSignal;
  /** Wakes an operation that this run has started, once its transaction is committed. */
  wakeLater(operationId: OperationRow['id'], lane: OperationLane): void;
};

export type StepDeps = {
  readonly catalog: CatalogDb;
  readonly clusters: { of(id: ClusterId): ClusterAdmin };
  readonly databases: TenantDatabases;
  readonly sealer: Sealer;
  readonly log: Log;
  readonly wake: Wake;
};

type AnyStep = {
  readonly name: string;
  /** Asked again after every step: what an earlier step found may make this one needless. */
  applies?(facts: OperationFacts): boolean;
};

/** Touches a cluster. Run twice without harm; the probe tells done from not done, also after a crash in the middle. */
export type WorldStep = AnyStep & {
  probe(context: StepContext): Promise<'done' | 'not-done'>;
  run(context: StepContext): Promise<void>;
  undo(context: StepContext): Promise<void>;
};

/** Touches the catalog only, in one transaction with its own record: it happens once or not at all. */
export type CatalogStep = AnyStep & {
  commit(context: StepContext, tx: CatalogTx): Promise<void>;
  undo(context: StepContext, tx: CatalogTx): Promise<void>;
};

export type Step = WorldStep | CatalogStep;

export type OperationDefinition = {
  readonly kind: OperationKind;
  readonly lane: OperationLane;
  /**
   * After a failure that another attempt will not mend: 'undo' what was done; 'keep-trying' for ever, because half way is
   * worse than late (suspend, delete, purge); 'stop' and leave it to a person.
   */
  readonly onFailure: 'undo' | 'keep-trying' | 'stop';
  /** After so many failures without progress, one that might pass counts as one that will not. Default: never. */
  readonly attemptsMax?: number;
  readonly steps: readonly Step[];
  /** After the undo: is it worth beginning again (elsewhere), as the facts now say? */
  readonly startAgain?: (facts: OperationFacts, error: OperationError) => boolean;
  /** In the transaction that ends the operation after its undo, after its last record. */
  readonly settle?: (context: StepContext, tx: CatalogTx, outcome: 'failed' | 'cancelled') => Promise<void>;
};

export function isCatalogStep(step: Step): step is CatalogStep {
  return 'commit' in step;
}
