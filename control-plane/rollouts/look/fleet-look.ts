// Owns what the control plane does to know its fleet, made once for whoever asks: the API and the reconcilers. Nothing here
// changes a tenant's database but a repair that was asked for.
import type { DatabaseId } from '../../../catalog/ids.ts';
import type { KnownDatabase } from '../../../catalog/schema-checks.ts';
import type { PostgresAddress } from '../../../platform/postgres/address.ts';
import { type ReadLimits, type ReadOnlyStatement, readOnce } from '../../postgres/fleet-query.ts';
import { type QueryLine, runFleetQuery } from './run-fleet-query.ts';

export type FleetLook = {
  query(
    databases: readonly KnownDatabase[],
    statement: ReadOnlyStatement,
    options: { concurrency: number } & ReadLimits,
  ): AsyncGenerator<QueryLine>;
};

export type FleetLookDeps = {
  readonly addressOf: (id: DatabaseId, login: 'ro') => Promise<PostgresAddress>;
};

export function createFleetLook({ addressOf }: FleetLookDeps): FleetLook {
  return {
    query: (databases, statement, options) =>
      runFleetQuery((id, what, limits) => readOnce(addressOf, id, what, limits), databases, statement, options),
  };
}
