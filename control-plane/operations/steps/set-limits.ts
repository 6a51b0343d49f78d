// Owns giving the roles of a claimed database the limits of its plan, where they differ from those of the stock.
import { stockLimits } from '../database-limits.ts';
import type { WorldStep } from '../operation-definition.ts';
import { adminOf, databaseIdOf } from './database-of.ts';

export const setLimits: WorldStep = {
  name: 'set-limits',
  applies: (facts) => facts.warm === true && facts.limits !== undefined,
  async probe() {
    return 'not-done'; // setting a limit twice costs less than reading it
  },
  async run(context) {
    const { limits } = context.facts;
    if (limits !== undefined) await adminOf(context).setLimits(databaseIdOf(context), limits);
  },
  async undo(context) {
    // A cluster that does not answer must not hold up the end of a failed provisioning: the database is dropped instead.
    await adminOf(context)
      .setLimits(databaseIdOf(context), stockLimits)
      .catch((error: unknown) => spoil(context, error));
  },
};

export function spoil(context: Parameters<WorldStep['undo']>[0], error: unknown): void {
  context.facts.spoiled = true;
  context.deps.log.warn(
    { err: error, database_id: context.facts.databaseId },
    'a warm database cannot go back to the stock',
  );
}
