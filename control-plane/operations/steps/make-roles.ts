// Owns the roles of a new database. Verifiers are made anew from the sealed passwords at every attempt; a clear password
// never leaves this process.
import { sealedSecrets } from '../../../catalog/databases.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import { type Login, logins, secretContext } from '../../../catalog/names.ts';
import { scramVerifier } from '../../../platform/postgres/scram.ts';
import { stockLimits } from '../database-limits.ts';
import type { StepContext, WorldStep } from '../operation-definition.ts';
import { adminOf, databaseIdOf } from './database-of.ts';
import { isCold } from './is-cold.ts';

export const makeRoles: WorldStep = {
  name: 'make-roles',
  applies: isCold,
  async probe(context) {
    const found = await adminOf(context).probeRoles(databaseIdOf(context));
    if (found === 'foreign') throw notOurs('roles');
    return found === 'ours' ? 'done' : 'not-done';
  },
  async run(context) {
    await adminOf(context).makeRoles(
      databaseIdOf(context),
      await verifiersOf(context),
      context.facts.limits ?? stockLimits,
    );
  },
  // Nothing: the undo of the reservation retires the row, and drop-database removes what there is.
  async undo() {},
};

export function notOurs(what: string) {
  return catalogFault('not_our_object', `The cluster holds ${what} of this name that this installation did not make.`);
}

async function verifiersOf(context: StepContext): Promise<Record<Login, string>> {
  const id = databaseIdOf(context);
  const sealed = await sealedSecrets(context.deps.catalog, id);
  const verifiers = logins.map((login) => {
    const secret = sealed[login];
    if (secret === undefined)
      throw catalogFault('database_incomplete', `The database has no password for ${login}.`, { internal: id });
    return [login, scramVerifier(context.deps.sealer.open(secret, secretContext(id, login)))] as const;
  });
  return Object.fromEntries(verifiers) as Record<Login, string>;
}
