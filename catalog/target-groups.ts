// Owns the queries on target groups: selections with a name, a place in the order, a maintenance window and the wish for a second
// person. A group that an unfinished rollout names cannot go away under it.
import { type Selectable, sql } from 'kysely';
import { isUniqueViolation } from '../platform/postgres/errors.ts';
import { writeAudit } from './audit.ts';
import type { Caller } from './caller.ts';
import { catalogFault } from './errors.ts';
import type { TargetGroupsTable } from './fleet-schema.ts';
import type { RolloutId } from './ids.ts';
import type { MaintenanceWindow } from './maintenance-window.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
import { type Selection, unfinishedRolloutStates } from './rollout-policy.ts';

export type TargetGroupRow = Selectable<TargetGroupsTable>;

export type NewTargetGroup = {
  name: string;
  description: string;
  selection: Selection;
  position: number;
  maintenance_window: MaintenanceWindow | null;
  approval: boolean;
};
export type TargetGroupChange = { [M in keyof Omit<NewTargetGroup, 'name'>]?: NewTargetGroup[M] | undefined };

/** By name, ascending. */
export async function listTargetGroups(
  db: CatalogDb,
  page: { after: string | undefined; limit: number },
): Promise<TargetGroupRow[]> {
  let query = db.selectFrom('target_groups').selectAll().orderBy('name').limit(page.limit);
  if (page.after !== undefined) query = query.where('name', '>', page.after);
  return await query.execute();
}

/** @throws Fault target_group_not_found */
export async function findTargetGroup(db: CatalogDb, name: string): Promise<TargetGroupRow> {
  const row = await db.selectFrom('target_groups').selectAll().where('name', '=', name).executeTakeFirst();
  if (row === undefined) throw groupNotFound(name);
  return row;
}

/** Until the transaction ends none of them goes away. @throws Fault target_group_not_found */
export async function holdTargetGroups(tx: CatalogTx, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const held = await tx
    .selectFrom('target_groups')
    .select('name')
    .where('name', 'in', names)
    .orderBy('name')
    .forShare()
    .execute();
  const gone = names.find((name) => !held.some((row) => row.name === name));
  if (gone !== undefined) throw groupNotFound(gone);
}

/** @throws Fault name_taken */
export async function insertTargetGroup(tx: CatalogTx, group: NewTargetGroup, caller: Caller): Promise<TargetGroupRow> {
  const row = await tx
    .insertInto('target_groups')
    .values({
      ...group,
      selection: JSON.stringify(group.selection),
      maintenance_window: group.maintenance_window === null ? null : JSON.stringify(group.maintenance_window),
      created_by: caller.actor,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
    .catch((error: unknown) => {
      throw isUniqueViolation(error)
        ? catalogFault('name_taken', `There is a target group ${group.name} already.`)
        : error;
    });
  await audit(tx, caller, 'target_group.create', group.name, group);
  return row;
}

/** @throws Fault target_group_not_found | stale_version */
export async function updateTargetGroup(
  tx: CatalogTx,
  name: string,
  version: number,
  change: TargetGroupChange,
  caller: Caller,
): Promise<TargetGroupRow> {
  const before = await lockTargetGroup(tx, name, version);
  const { selection, maintenance_window: window, description, position, approval } = change;
  const row = await tx
    .updateTable('target_groups')
    .set({
      ...(description !== undefined && { description }),
      ...(position !== undefined && { position }),
      ...(approval !== undefined && { approval }),
      ...(selection !== undefined && { selection: JSON.stringify(selection) }),
      ...(window !== undefined && { maintenance_window: window === null ? null : JSON.stringify(window) }),
      version: before.version + 1,
      updated_at: sql`now()`,
    })
    .where('name', '=', name)
    .returningAll()
    .executeTakeFirstOrThrow();
  await audit(tx, caller, 'target_group.update', name, change);
  return row;
}

/** @throws Fault target_group_not_found | stale_version | target_group_in_use */
export async function deleteTargetGroup(
  tx: CatalogTx,
  name: string,
  version: number,
  caller: Caller,
): Promise<TargetGroupRow> {
  const row = await lockTargetGroup(tx, name, version);
  const rollout = await unfinishedRolloutOf(tx, name);
  if (rollout !== undefined) {
    const text = `The rollout ${rollout} names the group ${name} and is not finished. Wait for it or abort it.`;
    throw catalogFault('target_group_in_use', text, { extra: { rollout_id: rollout } });
  }
  await tx.deleteFrom('target_groups').where('name', '=', name).execute();
  await audit(tx, caller, 'target_group.delete', name, { selection: row.selection });
  return row;
}

async function lockTargetGroup(tx: CatalogTx, name: string, version: number): Promise<TargetGroupRow> {
  const row = await tx.selectFrom('target_groups').selectAll().where('name', '=', name).forUpdate().executeTakeFirst();
  if (row === undefined) throw groupNotFound(name);
  if (row.version !== version) throw catalogFault('stale_version', 'The group was changed meanwhile: read it again.');
  return row;
}

/** In its selection or in one of its waves. */
async function unfinishedRolloutOf(tx: CatalogTx, group: string): Promise<RolloutId | undefined> {
  const { rows } = await sql<{ id: RolloutId }>`
    select r.id from rollouts r
    where r.state = any(${sql.val([...unfinishedRolloutStates])}::text[]) and (r.selection ->> 'group' = ${group}
      or exists (select from jsonb_array_elements(r.policy -> 'waves') w where w ->> 'group' = ${group}))
    limit 1`.execute(tx);
  return rows[0]?.id;
}

async function audit(tx: CatalogTx, caller: Caller, action: string, name: string, detail: object): Promise<void> {
  await writeAudit(tx, caller, { action, targetType: 'target_group', targetId: name, detail: { ...detail } });
}

function groupNotFound(name: string) {
  return catalogFault('target_group_not_found', `There is no target group ${name}.`);
}
