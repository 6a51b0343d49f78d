// Owns a dry run: a release applied file by file to scratch databases, one for each version at which the selected tenants stand, with
// what each file took and locked, or what it failed at; or to a copy of one tenant's database (plan-clone.ts). No tenant's database is
// touched and nothing is begun. But for a copy a scratch database holds no rows: the locks are the real ones, the times are not.
import { catalogFault } from '../../../catalog/errors.ts';
import { findLanes } from '../../../catalog/golden-schemas.ts';
import type { ClusterId, DatabaseId, TenantId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { findRelease, type ReleaseLane, type ReleaseRow, readLane } from '../../../catalog/releases.ts';
import { type MemberError, rolloutPolicySchema, type Selection } from '../../../catalog/rollout-policy.ts';
import type { LaneVersions } from '../../../catalog/schema.ts';
import { laneHash, stampOf } from '../../migration-files/lane-hash.ts';
import type { Lane } from '../../migration-files/migration-file.ts';
import type { ClusterAdmins } from '../../postgres/cluster-admin.ts';
import type { Rehearsal } from '../../postgres/rehearse-file.ts';
import type { TenantDatabases } from '../../postgres/tenant-database.ts';
import type { CloneSource, ScratchDatabases } from '../scratch/scratch-databases.ts';
import { memberErrorOf } from '../work/migrator.ts';
import { describeUnanswered } from './describe-unanswered.ts';
import { selectKnown } from './select-known.ts';

export type DryRunDeps = {
  readonly catalog: CatalogDb;
  readonly clusters: Pick<ClusterAdmins, 'of'>;
  readonly databases: Pick<TenantDatabases, 'rehearse' | 'forget'>;
  readonly scratch: ScratchDatabases;
};

/** Tenants that stand at one version on one major version of the server. */
export type DryRunStart = { version: string; serverMajor: number; lanes: LaneVersions; tenants: string[] };
export type DryRunPlan = {
  release: ReleaseRow;
  target: ReleaseLane;
  starts: DryRunStart[];
  there: number;
  /** Tried on a copy of this one; the only start is where it stands. */
  clone?: CloneSource & { tenantId: TenantId; slug: string };
};

export type DryRunLine = { start: DryRunStart } & (
  | { file: { name: string } & Rehearsal }
  | { failed: { file: string | null; error: MemberError } }
  | { passed: true }
);

/** @throws Fault release_not_found | selection_invalid | selection_empty | target_group_not_found | release_history_changed */
export async function planDryRun(
  db: CatalogDb,
  { lane, release, selection }: { lane: string; release: string; selection: Selection },
): Promise<DryRunPlan> {
  const row = await findRelease(db, lane, release);
  const target = await readLane(db, row.id);
  const databases = await selectKnown(db, selection);
  const behind = databases.filter((each) => each.lanes[lane]?.hash !== row.hash);
  const starts = new Map<string, DryRunStart>();
  for (const { lanes, serverMajor, slug } of behind) {
    const key = `${serverMajor} ${Object.entries(lanes)
      .map(([name, { hash }]) => `${name}:${hash}`)
      .sort()
      .join(' ')}`;
    const start = starts.get(key) ?? { version: lanes[lane]?.version ?? '', serverMajor, lanes, tenants: [] };
    if (!starts.has(key)) missingOf(target, lanes[lane]?.hash, slug, row.name);
    start.tenants.push(slug);
    starts.set(key, start);
  }
  return { release: row, target, starts: [...starts.values()], there: databases.length - behind.length };
}

export async function* dryRun(deps: DryRunDeps, plan: DryRunPlan, signal: AbortSignal): AsyncGenerator<DryRunLine> {
  for (const start of plan.starts) {
    if (signal.aborted) return;
    yield* await fromStart(deps, plan, start, signal);
  }
}

/** Gathered and then told: the scratch database is gone when the reader has the lines, however slow it is. */
async function fromStart(
  deps: DryRunDeps,
  plan: DryRunPlan,
  start: DryRunStart,
  signal: AbortSignal,
): Promise<DryRunLine[]> {
  const lines: DryRunLine[] = [];
  const { target, release, clone } = plan;
  const purpose = `dry run of ${release.name}`;
  let at: string | null = null;
  const rehearse = async (id: DatabaseId, clusterId: ClusterId) => {
    const there = target.files.length - missingOf(target, start.lanes[target.name]?.hash, '', release.name).length;
    const locks = () => deps.clusters.of(clusterId).locksAtBarrier(id);
    for (let end = there + 1; end <= target.files.length; end++) {
      signal.throwIfAborted();
      const upTo = beginning(target, end);
      at = upTo.files.at(-1)?.name ?? null;
      const options = optionsOf(release, signal);
      const rehearsal = await deps.databases.rehearse(id, upTo, options, locks, clone?.databaseId);
      lines.push({ start, file: { name: at as string, ...rehearsal } });
    }
  };
  try {
    if (clone !== undefined) await deps.scratch.withClone(clone, purpose, rehearse, signal);
    else await deps.scratch.with({ ...(await wantedOf(deps.catalog, start)), purpose }, rehearse);
    return [...lines, { start, passed: true }];
  } catch (error) {
    if (signal.aborted) throw error;
    return [...lines, { start, failed: { file: at, error: memberErrorOf(error)?.error ?? unforeseen(error) } }];
  }
}

/** @throws Fault release_history_changed */
async function wantedOf(db: CatalogDb, { serverMajor, lanes: versions }: DryRunStart) {
  const lanes = await findLanes(db, versions, laneHash);
  if (lanes !== undefined) return { serverMajor, lanes };
  throw catalogFault('release_history_changed', 'No release has exactly the files of these databases.');
}

function optionsOf(release: ReleaseRow, signal: AbortSignal) {
  const policy = rolloutPolicySchema.parse({});
  return {
    direction: 'up',
    run: `dry run of ${release.id}`,
    actor: 'dry-run',
    lockTimeoutMs: policy.lock_timeout_ms,
    lockRetries: 0,
    statementTimeoutMs: policy.statement_timeout_ms,
    probe: null,
    signal,
  } as const;
}

function beginning(target: ReleaseLane, end: number): Lane {
  const files = target.files.slice(0, end);
  return { name: target.name, files, version: stampOf(files.at(-1)?.name ?? ''), hash: laneHash(files) };
}

/** @throws Fault release_history_changed where the release does not begin with what is there */
export function missingOf(
  target: ReleaseLane,
  hash: string | undefined,
  slug: string,
  release: string,
): ReleaseLane['files'] {
  if (hash === undefined) return target.files;
  const there = target.files.findIndex((_, end) => laneHash(target.files.slice(0, end + 1)) === hash);
  if (there >= 0) return target.files.slice(there + 1);
  const text = `${slug} holds files that release ${release} does not begin with. Find the release that it was migrated with.`;
  throw catalogFault('release_history_changed', text);
}

function unforeseen(error: unknown): MemberError {
  return { ...describeUnanswered(error), state_of_database: 'unknown', retryable: false };
}
