// Owns the answer that most migrations of a migrated fleet get: nothing is to be done. One query of the catalog tells it, whatever
// the number of tenants (M13); no database is listed, and none is asked.
import { readLaneStanding } from '../../../catalog/lane-standing.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { pickRelease } from '../../../catalog/releases.ts';
import { isWholeFleet } from '../../../catalog/targets.ts';
import type { RolloutPlan, RolloutRequest } from './rollout-plan.ts';

/** Undefined where somebody stands elsewhere, or the request asks more of the catalog than this. */
export async function nothingToDo(db: CatalogDb, request: RolloutRequest): Promise<RolloutPlan | undefined> {
  const { kind, lane, statement, selection, policy } = request;
  if (kind !== 'migrate' || !isWholeFleet(selection)) return undefined;
  if (policy.waves.some(({ group }) => group !== undefined)) return undefined;
  const { releases, counts } = await readLaneStanding(db, lane);
  const release = pickRelease(releases, request.release);
  if (release === undefined || counts.length === 0) return undefined;
  if (counts.some(({ hash }) => hash !== release.hash)) return undefined;
  return {
    kind,
    lane,
    releaseId: release.id,
    release,
    statement,
    movesHead: true,
    selection,
    policy,
    approvalRequired: false,
    approvalGroups: [],
    waves: [],
    opensAt: [],
    members: [],
    clusters: counts.map((count) => ({
      id: count.clusterId,
      name: count.clusterName,
      open: count.databases - count.closed,
    })),
    targets: [],
    standOf: () => ({ at: 'there' }),
    alreadyThere: counts.reduce((sum, count) => sum + count.databases, 0),
    closed: 0,
    warnings: [],
    refusals: [],
  };
}
