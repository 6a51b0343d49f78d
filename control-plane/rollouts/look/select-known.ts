// Owns whom a sweep or a query over the fleet looks at: the databases of the tenants of a selection, in the same words as a rollout.
import { catalogFault } from '../../../catalog/errors.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import type { Selection } from '../../../catalog/rollout-policy.ts';
import { type KnownDatabase, listKnownDatabases } from '../../../catalog/schema-checks.ts';
import { isWholeFleet, selectTargets } from '../../../catalog/targets.ts';

/** A version in a filter is that of the product's lane. */
const lane = 'tenant';

/** Without warm databases: nobody's data is in them. @throws Fault selection_invalid | selection_empty | target_group_not_found */
export async function selectKnown(db: CatalogDb, selection: Selection): Promise<KnownDatabase[]> {
  if (isWholeFleet(selection)) return listKnownDatabases(db);
  const targets = await selectTargets(db, lane, selection);
  const ids = targets.filter(({ tenantId }) => tenantId !== null).map(({ databaseId }) => databaseId);
  const missing = selection.slugs?.find(
    (name) => !targets.some(({ slug, tenantId }) => slug === name || tenantId === name),
  );
  // With other conditions beside it, a tenant may exist and not match.
  if (missing !== undefined && Object.values(selection).filter((value) => value !== undefined).length === 1)
    throw catalogFault('selection_invalid', `No tenant with a database has the slug ${missing}.`);
  if (ids.length === 0) throw catalogFault('selection_empty', 'No tenant matches the selection.');
  return listKnownDatabases(db, ids);
}
