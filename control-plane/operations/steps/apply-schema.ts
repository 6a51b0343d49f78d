// Owns bringing a new database to the head of every lane. The ledger inside the database says what is applied.
import type { WorldStep } from '../operation-definition.ts';
import { databaseIdOf } from './database-of.ts';
import { isCold } from './is-cold.ts';

export const applySchema: WorldStep = {
  name: 'apply-schema',
  applies: isCold,
  async probe() {
    return 'not-done'; // applying reads the ledger itself and changes nothing where nothing is missing
  },
  async run(context) {
    context.facts.lanes = await context.deps.databases.applyLanes(databaseIdOf(context));
  },
  // Nothing: see make-roles.
  async undo() {},
};
