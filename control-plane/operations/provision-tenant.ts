// Owns making a tenant ready: a warm database is claimed in one transaction and one statement; without one the same operation
// makes a new database. The API contract is the same for both.

import { settleDatabase } from '../../catalog/databases.ts';
import { writeEvent } from '../../catalog/events.ts';
import { lockTenant, moveTenant } from '../../catalog/tenants.ts';
import type { CatalogStep, OperationDefinition } from './operation-definition.ts';
import { applySchema } from './steps/apply-schema.ts';
import { chooseDatabase } from './steps/choose-database.ts';
import { createEmptyDatabase } from './steps/create-empty-database.ts';
import { databaseIdOf, tenantIdOf } from './steps/database-of.ts';
import { makeRoles } from './steps/make-roles.ts';
import { openNewDatabase } from './steps/open-database.ts';
import { setLimits } from './steps/set-limits.ts';
import { stampIdentity } from './steps/stamp-identity.ts';

const activate: CatalogStep = {
  name: 'activate',
  async commit(context, tx) {
    const tenantId = tenantIdOf(context);
    await settleDatabase(tx, databaseIdOf(context), context.facts.lanes);
    const tenant = await moveTenant(tx, await lockTenant(tx, tenantId), 'provisioned');
    await writeEvent(tx, {
      type: 'tenant.activated.v1',
      tenantId,
      payload: { slug: tenant.slug, generation: tenant.generation, warm: context.facts.warm === true },
    });
  },
  // The last step: what is activated is finished, and nothing is undone after that.
  async undo() {},
};

/** Another cluster is tried at most so often; then something is wrong that moving on does not mend. */
const placementsMax = 3;

export const provisionTenant: OperationDefinition = {
  kind: 'provision-tenant',
  lane: 'foreground',
  onFailure: 'undo',
  // Somebody waits: after four failures, about a second apart in all, another cluster is the better answer (P13).
  attemptsMax: 4,
  steps: [
    chooseDatabase,
    makeRoles,
    createEmptyDatabase,
    openNewDatabase,
    applySchema,
    setLimits,
    stampIdentity,
    activate,
  ],
  startAgain(facts, error) {
    const { failedOn, avoid = [] } = facts;
    delete facts.failedOn;
    if (failedOn === undefined || avoid.length + 1 >= placementsMax) return false;
    // What the cluster could not do now, or what is wrong with this one database, another one may not suffer from.
    const elsewhere = error.retryable || error.code === 'identity_mismatch' || error.code === 'not_our_object';
    if (elsewhere) facts.avoid = [...avoid, failedOn];
    return elsewhere;
  },
  async settle(context, tx, outcome) {
    const tenantId = tenantIdOf(context);
    await moveTenant(tx, await lockTenant(tx, tenantId), 'provisioning-failed');
    await writeEvent(tx, { type: 'tenant.provisioning_failed.v1', tenantId, payload: { outcome } });
  },
};
