// Owns moving members between waiting and set aside because a person says so. Only with the row of the rollout locked.
import { sql } from 'kysely';
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
