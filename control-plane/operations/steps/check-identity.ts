// Owns the last look before a drop: a database that holds the identity of a tenant the catalog does not know it by may be in
// use under a newer catalog. It is left alone, and a person decides.
import { findDatabase, sealedSecrets } from '../../../catalog/databases.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import { secretContext } from '../../../catalog/names.ts';
import { scramVerifier } from '../../../platform/postgres/scram.ts';
import type { StepContext, WorldStep } from '../operation-definition.ts';
import { adminOf, databaseIdOf } from './database-of.ts';

export const checkIdentity: WorldStep = {
  name: 'check-identity',
  async probe(context) {
    const found = await adminOf(context).probeDatabase(databaseIdOf(context));
    if (found === 'open') return 'not-done';
    // A closed database with a row was never opened, or was closed by an operation on its tenant. One that was found without
    // a row may be a suspended tenant of a newer catalog, and nobody can look inside.
    return found === 'closed' && context.facts.adopted === true ? 'not-done' : 'done';
  },
  async run(context) {
    const id = databaseIdOf(context);
    if (context.facts.adopted === true) await takeOverLogin(context);
    const identity = await context.deps.databases.readIdentity(id);
    const tenantId = identity?.tenantId ?? null;
    if (tenantId === null) return;
    const row = await findDatabase(context.deps.catalog, id);
    if (row?.tenant_id === tenantId) return;
    // A copy to rehearse in says whose data it holds.
    if (row?.clone_of != null && row.clone_of === identity?.databaseId) return;
    throw doubtful(`${id} holds ${tenantId}, the catalog says ${row?.tenant_id ?? 'nobody'}`);
  },
  // Nothing was changed that anybody uses.
  async undo() {},
};

/** The old password of a database without a row is lost; the migrator's login gets the one that the adopted row holds. */
async function takeOverLogin(context: StepContext): Promise<void> {
  const id = databaseIdOf(context);
  const admin = adminOf(context);
  if ((await admin.probeDatabase(id)) === 'closed') throw doubtful(`${id} is closed and has no row`);
  const { mig } = await sealedSecrets(context.deps.catalog, id);
  if (mig === undefined) throw doubtful(`${id} has no password in the catalog`);
  await admin.setVerifier(id, 'mig', scramVerifier(context.deps.sealer.open(mig, secretContext(id, 'mig'))));
}

function doubtful(internal: string) {
  return catalogFault(
    'identity_mismatch',
    'The database may hold a tenant that the catalog does not know it by. It is not dropped.',
    { internal },
  );
}
