// Owns the removal of a database: the database, its roles, and at last its secrets and its slot in the catalog. In this
// order, so that whatever remains after a crash is still accounted for by a row.
import { forgetDatabase } from '../../../catalog/databases.ts';
import type { CatalogStep, WorldStep } from '../operation-definition.ts';
import { adminOf, databaseIdOf, hasDatabase } from './database-of.ts';

export const dropFromCluster: WorldStep = {
  name: 'drop-database',
  applies: hasDatabase,
  async probe(context) {
    return (await adminOf(context).probeDatabase(databaseIdOf(context))) === 'absent' ? 'done' : 'not-done';
  },
  async run(context) {
    await context.deps.databases.forget(databaseIdOf(context));
    await adminOf(context).dropDatabase(databaseIdOf(context));
  },
  // What is dropped does not come back.
  async undo() {},
};

export const dropRoles: WorldStep = {
  name: 'drop-roles',
  applies: hasDatabase,
  async probe(context) {
    return (await adminOf(context).probeRoles(databaseIdOf(context))) === 'absent' ? 'done' : 'not-done';
  },
  async run(context) {
    await adminOf(context).dropRoles(databaseIdOf(context));
  },
  // As above.
  async undo() {},
};

export const forget: CatalogStep = {
  name: 'forget-database',
  applies: hasDatabase,
  async commit(context, tx) {
    await forgetDatabase(tx, databaseIdOf(context));
  },
  // As above.
  async undo() {},
};
