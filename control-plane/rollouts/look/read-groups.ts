// Owns what a plan needs to know of the target groups: who belongs to those that a wave names, to those with a window, and
// whether one of them wants a second person.
import type { MaintenanceWindow } from '../../../catalog/maintenance-window.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import type { RolloutPolicy } from '../../../catalog/rollout-policy.ts';
import { selectTargets, type Target } from '../../../catalog/targets.ts';

export type PlanGroup = { members: ReadonlySet<string>; window: MaintenanceWindow | null; approval: boolean };

/** Those that matter for the policy, in their order. @throws Fault target_group_not_found */
export async function readGroups(
  db: CatalogDb,
  lane: string,
  { waves }: Pick<RolloutPolicy, 'waves'>,
): Promise<ReadonlyMap<string, PlanGroup>> {
  const rows = await db.selectFrom('target_groups').selectAll().orderBy('position').orderBy('name').execute();
  const named = new Set(waves.flatMap(({ group }) => (group === undefined ? [] : [group])));
  const known = new Set(rows.map((row) => row.name));
  // One that is not there is told by the query for its members.
  for (const name of named) if (!known.has(name)) await selectTargets(db, lane, { group: name });
  const groups = new Map<string, PlanGroup>();
  for (const { name, maintenance_window: window, approval } of rows) {
    if (!named.has(name) && window === null && !approval) continue;
    const members = await selectTargets(db, lane, { group: name });
    groups.set(name, { members: new Set(members.map((member) => member.databaseId)), window, approval });
  }
  return groups;
}

/** A group that says so needs a second person for every rollout that touches one of its tenants. */
export function approvingGroups(groups: ReadonlyMap<string, PlanGroup>, targets: readonly Target[]): string[] {
  return [...groups]
    .filter(([, { approval, members }]) => approval && targets.some((target) => members.has(target.databaseId)))
    .map(([name]) => name);
}
