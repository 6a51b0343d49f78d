// Owns CREATE DATABASE, which cannot run in a transaction: closed, with rights set and marked as ours when the step is done.
import type { WorldStep } from '../operation-definition.ts';
import { adminOf, databaseIdOf } from './database-of.ts';
import { isCold } from './is-cold.ts';
import { notOurs } from './make-roles.ts';

export const createEmptyDatabase: WorldStep = {
  name: 'create-database',
  applies: isCold,
  async probe(context) {
    const found = await adminOf(context).probeDatabase(databaseIdOf(context));
    if (found === 'foreign') throw notOurs('a database');
    return found === 'open' || found === 'closed' ? 'done' : 'not-done';
  },
  async run(context) {
    const admin = adminOf(context);
    const id = databaseIdOf(context);
    // A server that died in the middle leaves a database that only DROP touches (P09).
    if ((await admin.probeDatabase(id)) === 'invalid') await admin.dropDatabase(id);
    await admin.createDatabase(id);
  },
  // Nothing: see make-roles.
  async undo() {},
};
