// Owns whom a selection means: one query over the catalog, whatever the number of tenants.
import { type RawBuilder, sql } from 'kysely';
import { catalogFault } from './errors.ts';
import type { ClusterId, DatabaseId, TenantId } from './ids.ts';
import type { CatalogDb } from './open-catalog.ts';
import type { Selection } from './rollout-policy.ts';
import { parseTargetFilter } from './target-filter.ts';
import type { TenantState } from './tenant-states.ts';

export type Target = {
  databaseId: DatabaseId;
  /** Null for a warm database. */
  tenantId: TenantId | null;
  slug: string | null;
  state: TenantState | null;
  clusterId: ClusterId;
  clusterName: string;
  /** Of the lane; null where it has none of its files. */
  version: string | null;
  hash: string | null;
  /** Fenced: its tenant is suspended or deleted, and nobody gets in. */
  closed: boolean;
};

/** Nothing is selected by nothing: then it is the whole fleet, warm databases too. */
export function isWholeFleet(selection: Selection): boolean {
  return Object.values(selection).every((value) => value === undefined);
}

/** In order of their ids, which is that of their making. @throws Fault selection_invalid, target_group_not_found */
export async function selectTargets(db: CatalogDb, lane: string, selection: Selection): Promise<Target[]> {
  const conditions = await conditionsOf(db, lane, selection);
  const warmToo = isWholeFleet(selection) || selection.databases !== undefined;
  const found = await sql<Target>`
    select d.id as "databaseId", d.tenant_id as "tenantId", t.slug, t.state, d.cluster_id as "clusterId",
      c.name as "clusterName", d.lanes -> ${lane}::text ->> 'version' as version, d.lanes -> ${lane}::text ->> 'hash' as hash,
      d.fenced as closed
    from databases d join clusters c on c.id = d.cluster_id left join tenants t on t.id = d.tenant_id
    where (d.state = 'claimed' or (d.state = 'warm' and ${warmToo}))
      and ${sql.join(conditions.length === 0 ? [sql`true`] : conditions, sql` and `)}
    order by d.id`.execute(db);
  return found.rows;
}

async function conditionsOf(db: CatalogDb, lane: string, selection: Selection): Promise<RawBuilder<unknown>[]> {
  const { labels = [], plans, regions, clusters, tiers, slugs, filter, group, databases } = selection;
  const among = (field: RawBuilder<unknown>, values: readonly string[]) =>
    sql`${field} = any(${sql.val(values)}::text[])`;
  return [
    ...labels.map(labelCondition),
    ...(plans === undefined ? [] : [among(sql`t.plan_id`, plans)]),
    ...(regions === undefined ? [] : [among(sql`t.region`, regions)]),
    ...(clusters === undefined ? [] : [sql`(${among(sql`c.id`, clusters)} or ${among(sql`c.name`, clusters)})`]),
    ...(tiers === undefined ? [] : [among(sql`t.tier`, tiers)]),
    ...(slugs === undefined ? [] : [sql`(${among(sql`t.slug`, slugs)} or ${among(sql`t.id`, slugs)})`]),
    ...(databases === undefined ? [] : [among(sql`d.id`, databases)]),
    ...(filter === undefined ? [] : [parseTargetFilter(filter, lane).condition]),
    ...(group === undefined ? [] : await groupConditions(db, lane, group)),
  ];
}

/** `name:value`, or `name` for any value. */
function labelCondition(label: string): RawBuilder<unknown> {
  const colon = label.indexOf(':');
  if (colon < 0) return sql`t.labels ? ${label}`;
  return sql`t.labels @> ${JSON.stringify({ [label.slice(0, colon)]: label.slice(colon + 1) })}::jsonb`;
}

/** A group inside of a group would let two of them contain each other. */
async function groupConditions(db: CatalogDb, lane: string, name: string): Promise<RawBuilder<unknown>[]> {
  const group = await db.selectFrom('target_groups').select('selection').where('name', '=', name).executeTakeFirst();
  if (group === undefined) throw catalogFault('target_group_not_found', `There is no target group ${name}.`);
  if (group.selection.group !== undefined)
    throw catalogFault('selection_invalid', `The group ${name} names another group.`);
  return conditionsOf(db, lane, group.selection);
}
