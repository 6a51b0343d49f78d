// Owns what the control plane does to know its fleet, made once for whoever asks: the API and the reconcilers. Nothing here
// changes a tenant's database but a repair that was asked for.
import type { Caller } from '../../../catalog/caller.ts';
import type { DatabaseId } from '../../../catalog/ids.ts';
import type { KnownDatabase } from '../../../catalog/schema-checks.ts';
import type { PostgresAddress } from '../../../platform/postgres/address.ts';
import { type ReadLimits, type ReadOnlyStatement, readOnce } from '../../postgres/fleet-query.ts';
import { readSchema } from '../../postgres/read-schema.ts';
import type { TenantDatabases } from '../../postgres/tenant-database.ts';
import { createScratchDatabases, type ScratchDeps } from '../scratch/scratch-databases.ts';
import { type DryRunLine, type DryRunPlan, dryRun } from './dry-run.ts';
import { createGoldenSchemas } from './golden-schemas.ts';
import { type CloneWish, planClone } from './plan-clone.ts';
import { type RepairLine, repairDrift } from './repair-drift.ts';
import { type QueryLine, runFleetQuery } from './run-fleet-query.ts';
import { type DriftLine, sweepDrift } from './sweep-drift.ts';

export type FleetLook = {
  query(
    databases: readonly KnownDatabase[],
    statement: ReadOnlyStatement,
    options: { concurrency: number } & ReadLimits,
  ): AsyncGenerator<QueryLine>;
  /** Each looked at and judged; the answers are stored. */
  drift(databases: readonly KnownDatabase[], options: SweepOptions): AsyncGenerator<DriftLine>;
  /** See plan-clone.ts for what it is refused for. */
  planClone(wish: CloneWish): Promise<DryRunPlan>;
  /** Of a release, in scratch databases. */
  dryRun(plan: DryRunPlan, signal: AbortSignal): AsyncGenerator<DryRunLine>;
  repair(databases: readonly KnownDatabase[], caller: Caller, options: SweepOptions): AsyncGenerator<RepairLine>;
};

export type SweepOptions = {
  /** On each cluster. */
  concurrency: number;
  signal?: AbortSignal | undefined;
};

export type FleetLookDeps = ScratchDeps & {
  readonly databases: Pick<TenantDatabases, 'applyLanes' | 'forget' | 'repair' | 'rehearse'>;
  readonly addressOf: (id: DatabaseId, login: 'ro') => Promise<PostgresAddress>;
};

export function createFleetLook(deps: FleetLookDeps): FleetLook {
  const { catalog, clusters, databases, addressOf, log } = deps;
  const read = (id: DatabaseId, signal?: AbortSignal) => readSchema(addressOf, id, signal);
  const scratch = createScratchDatabases(deps);
  const golden = createGoldenSchemas({ catalog, scratch, readSchema: read });
  const drift = { catalog, clusters, databases, golden, readSchema: read, log };
  return {
    query: (whom, statement, options) =>
      runFleetQuery((id, what, limits) => readOnce(addressOf, id, what, limits), whom, statement, options),
    drift: (whom, options) => sweepDrift(drift, whom, options),
    planClone: (wish) => planClone({ catalog, clusters, databases }, wish),
    dryRun: (plan, signal) => dryRun({ catalog, clusters, databases, scratch }, plan, signal),
    repair: (whom, caller, options) => repairDrift(drift, whom, caller, options),
  };
}
