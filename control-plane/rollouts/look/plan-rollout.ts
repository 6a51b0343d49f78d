// Owns the plan of a rollout: whom it touches, in which waves, and why it may not begin. Reads the catalog and no database, so
// it costs the same for ten tenants and ten thousand, and may run inside of the transaction that creates the rollout.
import { checkSelection } from '../../../catalog/check-selection.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import type { RolloutKind } from '../../../catalog/fleet-schema.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { findRelease, type ReleaseLane, type ReleaseRow, readLane } from '../../../catalog/releases.ts';
import type { RolloutPolicy, Selection } from '../../../catalog/rollout-policy.ts';
import { isWholeFleet, selectTargets, type Target } from '../../../catalog/targets.ts';
import { laneHash } from '../../migration-files/lane-hash.ts';
import type { PlannedRollout } from '../start/create-rollout.ts';
import {
  refuseBadPolicy,
  refuseBadStatement,
  refuseContract,
  refuseOneWay,
  refuseStrangers,
  runtimesBefore,
} from './refusals.ts';
import { spreadWaves } from './spread-waves.ts';

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
  targets: readonly Target[];
  alreadyThere: number;
  warnings: { code: string; message: string }[];
};

/** @throws Fault with the codes of catalog/fleet-errors.ts: nothing is written before all of them have passed */
export async function planRollout(db: CatalogDb, request: RolloutRequest): Promise<RolloutPlan> {
  const { kind, lane, statement, selection, policy } = request;
  await refuseBadPolicy(policy);
  await checkSelection(db, selection, true);
  const selected = await selectTargets(db, lane, selection);
  if (selected.length === 0)
    throw catalogFault('selection_empty', 'No tenant and no warm database matches the selection.');
  const release = kind === 'exec' ? null : await findRelease(db, lane, request.release);
  if (kind === 'exec') {
    if (statement === null) throw catalogFault('statement_refused', 'An exec needs a statement.');
    await refuseBadStatement(statement);
  }
  const targets =
    release === null
      ? selected.filter(({ tenantId }) => tenantId !== null)
      : await toMove(db, request, release, selected);
  const { waves, waveOf } = spreadWaves(targets, policy.waves, await groupsOf(db, lane, policy));
  return {
    kind,
    lane,
    releaseId: release?.id ?? null,
    release,
    statement,
    movesHead: kind !== 'exec' && isWholeFleet(selection),
    selection,
    policy,
    approvalRequired: await needsApproval(db, lane, targets),
    waves,
    members: targets.map((target) => ({
      databaseId: target.databaseId,
      tenantId: target.tenantId,
      clusterId: target.clusterId,
      wave: waveOf.get(target) ?? 0,
    })),
    targets,
    alreadyThere: selected.length - targets.length,
    warnings: release === null ? [] : await warningsOf(db, release),
  };
}

/** Those that are not at the release yet. */
async function toMove(db: CatalogDb, { kind, lane }: RolloutRequest, release: ReleaseRow, selected: readonly Target[]) {
  const target = await readLane(db, release.id);
  const targets = selected.filter(({ hash }) => hash !== release.hash);
  if (kind === 'rollback') {
    refuseOneWay(await readLane(db, (await findRelease(db, lane, 'latest')).id), target);
    return targets;
  }
  refuseStrangers(targets, release, beginningsOf(target));
  await refuseContract(db, release, await selectTargets(db, lane, {}));
  return targets;
}

/** The lane hash of every beginning of a release: where a database on its way may stand. */
function beginningsOf(lane: ReleaseLane): Set<string> {
  return new Set(lane.files.map((_, end) => laneHash(lane.files.slice(0, end + 1))));
}

async function groupsOf(db: CatalogDb, lane: string, { waves }: RolloutPolicy): Promise<Map<string, Set<string>>> {
  const groups = new Map<string, Set<string>>();
  for (const { group } of waves) {
    if (group === undefined || groups.has(group)) continue;
    const members = await selectTargets(db, lane, { group });
    groups.set(group, new Set(members.map((member) => member.databaseId)));
  }
  return groups;
}

/** A group that says so needs a second person for every rollout that touches one of its tenants. */
async function needsApproval(db: CatalogDb, lane: string, targets: readonly Target[]): Promise<boolean> {
  const touched = new Set(targets.map((target) => target.databaseId));
  const groups = await db.selectFrom('target_groups').select('name').where('approval', '=', true).execute();
  for (const { name } of groups) {
    const members = await selectTargets(db, lane, { group: name });
    if (members.some((member) => touched.has(member.databaseId))) return true;
  }
  return false;
}

async function warningsOf(db: CatalogDb, release: ReleaseRow): Promise<RolloutPlan['warnings']> {
  const refusing = release.lane === 'tenant' ? await runtimesBefore(db, release.version) : [];
  if (refusing.length === 0) return [];
  const message = `${refusing.length} live runtimes will refuse migrated tenants, their range ends before ${release.version}: ${refusing.join(', ')}.`;
  return [{ code: 'runtimes_refuse', message }];
}
