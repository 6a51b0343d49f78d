// Owns bringing a tenant that comes back to where the fleet has gone meanwhile, before it is served again (M06). Nothing is asked
// of a database that the catalog knows at the heads, or beyond them in a rollout that has halted.

import { catalogFault } from '../../../catalog/errors.ts';
import { readHeads } from '../../../catalog/lane-heads.ts';
import { compareVersions } from '../../../catalog/lane-versions.ts';
import { readLane } from '../../../catalog/releases.ts';
import { DatabaseMigrationFailed } from '../../postgres/tenant-database.ts';
import type { StepContext, WorldStep } from '../operation-definition.ts';
import { databaseIdOf, hasDatabase } from './database-of.ts';

export const catchUp: WorldStep = {
  name: 'catch-up',
  applies: (facts) => hasDatabase(facts) && facts.returnTo === 'active',
  async probe(context) {
    return (await missedHeads(context)).length === 0 ? 'done' : 'not-done';
  },
  async run(context) {
    const { deps, operation, facts, signal } = context;
    for (const { releaseId } of await missedHeads(context)) {
      const target = await readLane(deps.catalog, releaseId);
      const frame = { direction: 'up', run: operation.id, actor: operation.actor, probe: null, signal } as const;
      const migrated = await deps.databases
        .migrate(databaseIdOf(context), target, { ...frame, lockTimeoutMs, lockRetries, statementTimeoutMs })
        .catch((error: unknown) => {
          throw asFault(error, target.name);
        });
      facts.lanes = { ...facts.lanes, ...migrated.lanes };
    }
  },
  // Nothing: what was applied is where the fleet stands, and the next attempt finds it in the ledger.
  async undo() {},
};

/** Nobody is served by the database yet: the only others in it are people. */
const lockTimeoutMs = 5_000;
const lockRetries = 5;
/** As the default of a rollout. */
const statementTimeoutMs = 300_000;

async function missedHeads(context: StepContext) {
  const { catalog } = context.deps;
  const heads = await readHeads(catalog);
  const { lanes } = await catalog
    .selectFrom('databases')
    .select('lanes')
    .where('id', '=', databaseIdOf(context))
    .executeTakeFirstOrThrow();
  const known = { ...lanes, ...context.facts.lanes };
  return heads.filter(({ lane, version }) => compareVersions(known[lane]?.version ?? '', version) < 0);
}

function asFault(error: unknown, lane: string): unknown {
  if (!(error instanceof DatabaseMigrationFailed)) return error;
  // What may pass is told by its own kind, so that the operation goes again.
  if (error.error.retryable) return error.cause;
  const { file, message, sqlstate } = error.error;
  const where = file === undefined ? '' : ` at ${file}`;
  const text = `The tenant is behind the fleet, and the lane ${lane} cannot be brought to its head${where}: ${message}${sqlstate === undefined ? '' : ` (${sqlstate})`}.`;
  return catalogFault('migration_failed', text, { cause: error });
}
