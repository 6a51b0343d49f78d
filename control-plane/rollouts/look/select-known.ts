// Owns whom a sweep or a query over the fleet looks at: the claimed databases of a selection.
import { catalogFault } from '../../../catalog/errors.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import type { Selection } from '../../../catalog/rollout-policy.ts';
import { type KnownDatabase, listKnownDatabases } from '../../../catalog/schema-checks.ts';

/** @throws Fault selection_invalid | selection_empty */
export async function selectKnown(db: CatalogDb, selection: Selection): Promise<KnownDatabase[]> {
  const { slugs, clusters, databases, ...unread } = selection;
  const [other] = Object.keys(unread);
  if (other !== undefined) {
    throw catalogFault('selection_invalid', `Select by slugs, clusters or databases here; ${other} is not read.`);
  }
  const all = await listKnownDatabases(db);
  const found = all.filter(
    (each) =>
      (slugs === undefined || slugs.includes(each.slug)) &&
      (clusters === undefined || clusters.includes(each.cluster) || clusters.includes(each.clusterId)) &&
      (databases === undefined || databases.includes(each.databaseId)),
  );
  const missing = slugs?.find((slug) => !all.some((each) => each.slug === slug));
  if (missing !== undefined)
    throw catalogFault('selection_invalid', `No tenant with a database has the slug ${missing}.`);
  if (found.length === 0 && Object.keys(selection).length > 0) {
    throw catalogFault('selection_empty', 'No tenant matches the selection.');
  }
  return found;
}
