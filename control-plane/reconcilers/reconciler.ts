// Owns the shape of a reconciler: no input; looks at the world, repairs, and simply runs again. One process runs each at a
// time, but nothing breaks when two do.

import type { OperationId } from '../../catalog/ids.ts';
import type { CatalogDb } from '../../catalog/open-catalog.ts';
import type { OperationLane } from '../../catalog/schema.ts';
import type { Log } from '../../platform/log.ts';
import type { Sealer } from '../../platform/sealing.ts';
import type { Wake } from '../operations/wake.ts';
import type { ClusterAdmins } from '../postgres/cluster-admin.ts';

export type ReconcilerDeps = {
  readonly catalog: CatalogDb;
  readonly clusters: Pick<ClusterAdmins, 'of'>;
  readonly sealer: Sealer;
  readonly wake: Wake;
  readonly wakeAgain: (operationId: OperationId, lane: OperationLane) => Promise<void>;
  readonly log: Log;
};

export type Reconciler = {
  readonly name: string;
  readonly everyMs: number;
  /** @returns what it found and did, for people: kept as last_result */
  run(deps: ReconcilerDeps): Promise<Record<string, unknown>>;
};
