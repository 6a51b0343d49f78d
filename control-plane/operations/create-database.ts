// Owns making one database for the stock, in the background, with the steps that a provisioning without stock uses too.
import { settleDatabase } from '../../catalog/databases.ts';
import type { CatalogStep, OperationDefinition } from './operation-definition.ts';
import { applySchema } from './steps/apply-schema.ts';
import { createEmptyDatabase } from './steps/create-empty-database.ts';
import { databaseIdOf, hasDatabase } from './steps/database-of.ts';
import { makeRoles } from './steps/make-roles.ts';
import { openNewDatabase } from './steps/open-database.ts';
import { giveDatabaseUp, reserveDatabase } from './steps/reserve-database.ts';

export const putInStock: CatalogStep = {
  name: 'put-in-stock',
  async commit(context, tx) {
    await settleDatabase(tx, databaseIdOf(context), context.facts.lanes);
  },
  // The last step: a database in the stock may be somebody's already.
  async undo() {},
};

export const createDatabase: OperationDefinition = {
  kind: 'create-database',
  lane: 'background',
  onFailure: 'undo',
  // About a minute; the reconciler asks for another one when the cluster is well again.
  attemptsMax: 10,
  steps: [reserveDatabase, makeRoles, createEmptyDatabase, openNewDatabase, applySchema, putInStock],
  async settle(context, tx) {
    if (hasDatabase(context.facts)) await giveDatabaseUp(context, tx);
  },
};
