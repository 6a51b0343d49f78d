// Owns what a target group is refused for when it is saved: names that do not exist, a group inside of a group, a window that
// never opens. Labels may come later: a group is often made before the tenants that it is for.
import { checkSelection } from '../../../catalog/check-selection.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import type { CatalogTx } from '../../../catalog/open-catalog.ts';
import type { TargetGroupChange } from '../../../catalog/target-groups.ts';
import { windowProblem } from '../drive/windows.ts';

/** @throws Fault selection_invalid | policy_invalid */
export async function refuseBadGroup(tx: CatalogTx, group: TargetGroupChange): Promise<void> {
  if (group.selection?.group !== undefined)
    throw catalogFault('selection_invalid', 'A group cannot be made of another group. Repeat its selection here.');
  if (group.selection !== undefined) await checkSelection(tx, group.selection, false);
  const problem = group.maintenance_window == null ? undefined : windowProblem(group.maintenance_window, new Date());
  if (problem !== undefined) throw catalogFault('policy_invalid', `maintenance_window: ${problem}`);
}
