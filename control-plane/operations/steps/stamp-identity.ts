// Owns the identity row of the claimed database: the one statement of a warm claim inside the tenant database. It is stamped
// only where it is still unclaimed, so a catalog restored from an old backup cannot hand out a database that is in use.
import { isFault } from '../../../platform/errors.ts';
import type { WorldStep } from '../operation-definition.ts';
import { databaseIdOf, tenantIdOf } from './database-of.ts';
import { spoil } from './set-limits.ts';

export const stampIdentity: WorldStep = {
  name: 'stamp-identity',
  async probe() {
    return 'not-done'; // the statement is its own probe: it accepts a row that is this tenant's already
  },
  async run(context) {
    try {
      await context.deps.databases.stampIdentity(databaseIdOf(context), tenantIdOf(context));
    } catch (error) {
      // It holds somebody's data, whatever the catalog believes: never back to the stock; drop-database refuses it too.
      if (isFault(error, 'identity_mismatch')) context.facts.spoiled = true;
      throw error;
    }
  },
  async undo(context) {
    const { facts } = context;
    // A new database is dropped as a whole; one that holds another identity is not ours to clear.
    if (facts.warm !== true || facts.spoiled === true) return;
    await context.deps.databases
      .clearIdentity(databaseIdOf(context), tenantIdOf(context))
      .catch((error: unknown) => spoil(context, error));
  },
};
