// Owns the question whether every name in a selection exists. What is misspelt is refused by name: silently ignored it would mean
// nobody, and behind a "not" everybody.
import { type RawBuilder, sql } from 'kysely';
import { catalogFault } from './errors.ts';
import type { CatalogDb } from './open-catalog.ts';
import type { Selection } from './rollout-policy.ts';
import { parseTargetFilter } from './target-filter.ts';

/** The lane says nothing about names, and a filter is parsed with one. */
const anyLane = 'tenant';

/**
 * @param labelsToo false for what is saved for later: a label is made by the first tenant that gets it
 * @throws Fault selection_invalid
 */
export async function checkSelection(db: CatalogDb, selection: Selection, labelsToo: boolean): Promise<void> {
  const { plans = [], regions = [], clusters = [], slugs = [], databases = [], labels = [] } = selection;
  const filter = selection.filter === undefined ? undefined : parseTargetFilter(selection.filter, anyLane);
  const inFilter = (field: string) =>
    filter?.names.filter((name) => name.field === field).map(({ value }) => value) ?? [];
  await known(db, 'plan', [...plans, ...inFilter('plan')], sql`select id from plans`);
  await known(
    db,
    'region',
    [...regions, ...inFilter('region')],
    sql`select region from clusters union select region from tenants where state <> 'purged'`,
  );
  await known(db, 'cluster', clusters, sql`select id from clusters union all select name from clusters`);
  await known(db, 'cluster', inFilter('cluster'), sql`select name from clusters`);
  await known(
    db,
    'tenant with a database',
    slugs,
    sql`select unnest(array[t.id, t.slug]) from tenants t join databases d on d.tenant_id = t.id and d.state = 'claimed'`,
  );
  await known(db, 'tenant', inFilter('slug'), sql`select slug from tenants where state <> 'purged'`);
  await known(db, 'database', databases, sql`select id from databases where state in ('warm', 'claimed')`);
  if (!labelsToo) return;
  const names = [...labels.map((label) => label.split(':', 1)[0] as string), ...(filter?.labels ?? [])];
  await known(
    db,
    'label on any tenant',
    names,
    sql`select jsonb_object_keys(labels) from tenants where state <> 'purged'`,
    'To ask whether a label is there, write `label.<name> is null`.',
  );
}

/** So many are named in a message; a list of thousands helps nobody. */
const namedMax = 5;

async function known(
  db: CatalogDb,
  what: string,
  asked: readonly string[],
  existing: RawBuilder<unknown>,
  more = '',
): Promise<void> {
  if (asked.length === 0) return;
  const { rows } = await sql<{ name: string }>`
    select a.name from unnest(${sql.val([...new Set(asked)])}::text[]) with ordinality as a (name, at)
    where a.name not in (${existing}) order by a.at`.execute(db);
  if (rows.length === 0) return;
  const names = rows.slice(0, namedMax).map((row) => row.name);
  const text = `There is no ${what} of the name ${names.join(', ')}${rows.length > namedMax ? `, … (${rows.length} in all)` : ''}.`;
  throw catalogFault('selection_invalid', more === '' ? text : `${text} ${more}`, { extra: { unknown: names } });
}
