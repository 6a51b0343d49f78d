// Owns whether a release may be tried on a copy of one tenant's database, and the plan of it: the tenant must be one that has data,
// nobody may be in its database, and the copy must not crowd its cluster. Nothing is copied yet.
import { databaseOfTenant } from '../../../catalog/databases.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import { findRelease, readLane } from '../../../catalog/releases.ts';
import { type KnownDatabase, listKnownDatabases } from '../../../catalog/schema-checks.ts';
import { findTenant, type TenantRow } from '../../../catalog/tenants.ts';
import { ConnectionLostError } from '../../../platform/postgres/errors.ts';
import type { SourceLook } from '../../postgres/cluster-admin.ts';
import { sourceInUse } from '../../postgres/cluster-faults.ts';
import { type DryRunDeps, type DryRunPlan, missingOf } from './dry-run.ts';

export type CloneWish = {
  lane: string;
  release: string;
  /** Slug or id. */
  tenant: string;
  bytesMax: number;
};

/** Whoever needs a new session in an active tenant's database waits for the copy; a runtime gives up after 3 s and is refused. */
const activeCopyMaxMs = 1_000;

/**
 * @throws Fault release_not_found | tenant_not_found | wrong_state | release_history_changed | clone_source_in_use |
 *   clone_too_large | cluster_outdated | cluster_unreachable
 */
export async function planClone(
  deps: Pick<DryRunDeps, 'catalog' | 'clusters' | 'databases'>,
  { lane, release, tenant: named, bytesMax }: CloneWish,
): Promise<DryRunPlan> {
  const row = await findRelease(deps.catalog, lane, release);
  const target = await readLane(deps.catalog, row.id);
  const tenant = await findTenant(deps.catalog, named);
  if (tenant === undefined) throw catalogFault('tenant_not_found', `There is no tenant ${named}.`);
  const known = await knownOf(deps, tenant);
  const { slug, lanes, serverMajor, databaseId, clusterId } = known;
  if (lanes[lane]?.hash === row.hash) return { release: row, target, starts: [], there: 1 };
  missingOf(target, lanes[lane]?.hash, slug, row.name);
  const { bytes, sessions } = await lookAt(deps, known);
  if (bytes > bytesMax) {
    const text = `The database of ${slug} has ${bytes} bytes; a copy may have ${bytesMax}. Allow more where the cluster has room for it twice.`;
    throw catalogFault('clone_too_large', text, { extra: { bytes, clone_max_bytes: bytesMax } });
  }
  if (sessions > 0)
    throw sourceInUse(`${sessions === 1 ? 'A session is' : `${sessions} sessions are`} in the database of ${slug}`);
  return {
    release: row,
    target,
    starts: [{ version: lanes[lane]?.version ?? '', serverMajor, lanes, tenants: [slug] }],
    there: 0,
    clone: {
      databaseId,
      clusterId,
      bytes,
      timeoutMs: tenant.state === 'active' ? activeCopyMaxMs : null,
      tenantId: tenant.id,
      slug,
    },
  };
}

/** @throws Fault wrong_state: there is no database, or an operation is at work on it */
async function knownOf(
  { catalog }: Pick<DryRunDeps, 'catalog'>,
  { id, slug, state }: TenantRow,
): Promise<KnownDatabase> {
  const isSettled = state === 'active' || state === 'suspended';
  const database = isSettled ? await databaseOfTenant(catalog, id) : undefined;
  const [known] = database === undefined ? [] : await listKnownDatabases(catalog, [database.id]);
  if (known !== undefined) return known;
  const text = `The tenant ${slug} is ${state}; only an active or a suspended tenant is copied.`;
  throw catalogFault('wrong_state', text, { extra: { state, possible: [] } });
}

/** @throws Fault cluster_outdated | cluster_unreachable */
async function lookAt(
  { clusters, databases }: Pick<DryRunDeps, 'clusters' | 'databases'>,
  { clusterId, cluster, databaseId }: KnownDatabase,
): Promise<SourceLook> {
  // Its only session may be one that we keep.
  await databases.forget(databaseId);
  try {
    return await clusters.of(clusterId).lookAtSource(databaseId);
  } catch (error) {
    if (!(error instanceof ConnectionLostError)) throw error;
    const text = `The cluster ${cluster} does not answer: nothing was copied. Try again when it is back.`;
    throw catalogFault('cluster_unreachable', text, { internal: error.message, cause: error });
  }
}
