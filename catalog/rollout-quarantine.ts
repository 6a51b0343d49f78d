// Owns moving members between waiting and set aside because a person says so. Only with the row of the rollout locked.
import { sql } from 'kysely';
import { catalogFault } from './errors.ts';
import type { RolloutId } from './ids.ts';
import type { CatalogTx } from './open-catalog.ts';
import type { MemberState } from './rollout-policy.ts';

export type Setting = {
  from: readonly MemberState[];
  to: 'pending' | 'skipped';
  /** Slugs or ids; null: all. */
  among: readonly string[] | null;
  reason: string | null;
};

/** @returns how many */
export async function setAside(tx: CatalogTx, id: RolloutId, { from, to, among, reason }: Setting): Promise<number> {
  const moved = await sql`
    update rollout_members m set state = ${to}, skip_reason = ${reason}, attempts = 0, next_attempt_at = clock_timestamp(),
      finished_at = case when ${to === 'skipped'} then clock_timestamp() end,
      error = case when ${to === 'skipped'} then error end
    where m.rollout_id = ${id} and m.state = any(${sql.val(from)}::text[])
      and (${among === null} or m.database_id = any(${sql.val(among ?? [])}::text[])
        or m.tenant_id = any(${sql.val(among ?? [])}::text[])
        or exists (select from tenants t where t.id = m.tenant_id and t.slug = any(${sql.val(among ?? [])}::text[])))
    returning m.database_id`.execute(tx);
  return moved.rows.length;
}

/** @param names slugs or ids of tenants or databases @throws Fault selection_invalid with the names that are no members */
export async function refuseNonMembers(tx: CatalogTx, id: RolloutId, names: readonly string[]): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select a.name from unnest(${sql.val(names)}::text[]) with ordinality as a (name, at)
    where not exists (select from rollout_members m left join tenants t on t.id = m.tenant_id
      where m.rollout_id = ${id} and a.name in (m.database_id, m.tenant_id, t.slug)) order by a.at limit 10`.execute(
    tx,
  );
  if (rows.length === 0) return;
  const unknown = rows.map((row) => row.name);
  throw catalogFault('selection_invalid', `No member of this rollout is ${unknown.join(', ')}.`, {
    extra: { unknown },
  });
}
