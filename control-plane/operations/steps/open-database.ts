// Owns opening a database to its own logins. For a resume, the undo closes it again.
import type { WorldStep } from '../operation-definition.ts';
import { adminOf, databaseIdOf, hasDatabase } from './database-of.ts';
import { endSessions } from './fence-database.ts';
import { isCold } from './is-cold.ts';

const open: Pick<WorldStep, 'probe' | 'run'> = {
  async probe(context) {
    return (await adminOf(context).probeDatabase(databaseIdOf(context))) === 'open' ? 'done' : 'not-done';
  },
  async run(context) {
    await adminOf(context).openDatabase(databaseIdOf(context));
  },
};

/** Of a database that was just made. */
export const openNewDatabase: WorldStep = {
  ...open,
  name: 'open-database',
  applies: isCold,
  // Nothing: see make-roles.
  async undo() {},
};

/** Of a tenant that comes back into service. */
export const reopenDatabase: WorldStep = {
  ...open,
  name: 'open-database',
  applies: (facts) => hasDatabase(facts) && facts.returnTo === 'active',
  undo: endSessions,
};
