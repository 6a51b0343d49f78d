// Owns fsck: names every database, role, route and secret that has no counterpart or is not as Freehold left it. Reads only.
// Two looks: what an operation is changing is listed as in progress, and what is not seen a second time is no finding, so a
// system at work gives no false alarm.
import type { ClusterId, DatabaseId } from '../../catalog/ids.ts';
import type { FsckSeverity } from './finding-spec.ts';
import { type FsckDeps, look } from './look.ts';
import type { FsckFinding, FsckReport } from './report.ts';

export type { FsckDeps } from './look.ts';
export type { FsckFinding, FsckReport } from './report.ts';

export type FsckScope = {
  /** Clusters to look at; the catalog is always looked at whole. */
  clusterIds?: readonly ClusterId[];
  /** False: no database is looked into. Default true. */
  deep?: boolean;
};

/** @throws only when the catalog cannot be read */
export async function runFsck(deps: FsckDeps, scope: FsckScope = {}): Promise<FsckReport> {
  const startedMs = performance.now();
  const inside = scope.deep === false ? { inside: new Set<DatabaseId>() } : {};
  const first = await look(deps, { ...(scope.clusterIds && { clusters: new Set(scope.clusterIds) }), ...inside });
  const { findings, touched } = first.findings.length === 0 ? first : await lookAgain(deps, first.findings);
  findings.sort((a, b) => order[a.severity] - order[b.severity] || keyOf(a).localeCompare(keyOf(b)));
  return {
    clean: findings.every((each) => each.severity === 'notice'),
    checked: first.checked,
    findings,
    inProgress: touched.operations
      .filter(({ state }) => state === 'pending' || state === 'running' || state === 'undoing')
      .map(({ id, kind, tenantId, databaseId, attempt }) => ({
        operationId: id,
        kind,
        ...(tenantId !== null && { tenantId }),
        ...(databaseId !== null && { databaseId }),
        attempt,
      })),
    durationMs: Math.round(performance.now() - startedMs),
  };
}

const order: Readonly<Record<FsckSeverity, number>> = { error: 0, warning: 1, notice: 2 };

/** Only where something was found. */
async function lookAgain(deps: FsckDeps, candidates: readonly FsckFinding[]) {
  const seen = new Set(candidates.map(keyOf));
  const again = await look(deps, {
    clusters: new Set(candidates.flatMap((each) => each.clusterId ?? [])),
    inside: new Set(candidates.flatMap((each) => each.databaseId ?? [])),
  });
  return { findings: again.findings.filter((each) => seen.has(keyOf(each))), touched: again.touched };
}

/** Messages may hold numbers that move; what and where does not. */
function keyOf({ code, clusterId, databaseId, object }: FsckFinding): string {
  return [code, clusterId, databaseId, object].join(' ');
}
