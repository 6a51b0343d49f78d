// Owns the shapes of a plan: what is asked for, and what would come of it.
import type { RolloutKind } from '../../../catalog/fleet-schema.ts';
import type { ClusterId } from '../../../catalog/ids.ts';
import type { ReleaseRow } from '../../../catalog/releases.ts';
import type { RolloutPolicy, Selection } from '../../../catalog/rollout-policy.ts';
import type { Target } from '../../../catalog/targets.ts';
import type { Fault } from '../../../platform/errors.ts';
import type { PlannedRollout } from '../start/create-rollout.ts';
import type { Stand } from './where-they-stand.ts';

export type RolloutRequest = {
  kind: RolloutKind;
  lane: string;
  /** An id, a name or 'latest'; of no meaning for an exec. */
  release: string;
  statement: string | null;
  selection: Selection;
  policy: RolloutPolicy;
};

export type RolloutPlan = PlannedRollout & {
  release: ReleaseRow | null;
  /** Those of the selection that are open, touched or not. */
  clusters: readonly ClusterCount[];
  targets: readonly Target[];
  /** Of no meaning for an exec. */
  standOf: (target: Target) => Stand;
  alreadyThere: number;
  /** Nobody gets into them; they are left out. */
  closed: number;
  approvalGroups: readonly string[];
  /** Of each wave with a window, the next time it is open. */
  opensAt: readonly (Date | null)[];
  warnings: { code: string; message: string }[];
  /** Why it may not begin: all that can be said, the first one first. */
  refusals: readonly Fault[];
};

export type ClusterCount = { id: ClusterId; name: string; open: number };
