// Owns that the logins of every database have the settings, limits and passwords that the catalog says, whatever a login has done
// to itself (D08) and whatever plan its tenant has now. A login that changed itself is an alarm: a log line, an audit entry and
// an event for each, and its sessions end, for they hold what it had set. A change of plan is not.
import { writeAudit } from '../../catalog/audit.ts';
import { systemCaller } from '../../catalog/caller.ts';
import { type CatalogSnapshot, readCatalogSnapshot, readTouched } from '../../catalog/catalog-snapshot.ts';
import { clustersWithHealth } from '../../catalog/cluster-health.ts';
import { holdIfSettled, sealedSecrets } from '../../catalog/databases.ts';
import { writeEvent } from '../../catalog/events.ts';
import type { DatabaseId } from '../../catalog/ids.ts';
import { secretContext } from '../../catalog/names.ts';
import { roleSettingsName } from '../../catalog/reconcilers.ts';
import { scramVerifier } from '../../platform/postgres/scram.ts';
import { mustExist } from '../fsck/databases.ts';
import { inParallel } from '../fsck/in-parallel.ts';
import { otherPasswords } from '../fsck/secrets.ts';
import { limitsOfPlan, stockLimits } from '../operations/database-limits.ts';
import { limitsFor } from '../operations/expected-roles.ts';
import { type LoginChange, loginChanges } from '../operations/login-changes.ts';
import type { Reconciler, ReconcilerDeps } from './reconciler.ts';

/** Far above what tampering makes, and a plan of thousands of tenants is done within some runs. */
const perRunMax = 500;
/** Each holds a session of the catalog and one of the cluster while it mends: few, for others need them. */
const clustersAtATime = 2;
const databasesAtATime = 2;

const caller = systemCaller(roleSettingsName);

type Damage = { id: DatabaseId; changes: LoginChange[] };
type Mended = { database: DatabaseId; login: string; what: string[] };

export const roleSettings: Reconciler = {
  name: roleSettingsName,
  everyMs: 60_000,
  async run(deps) {
    const before = await readTouched(deps.catalog);
    const snapshot = await readCatalogSnapshot(deps.catalog);
    const found = { checked: 0, mended: [] as Mended[], limitsSet: 0, failed: [] as string[], left: 0 };
    let room = perRunMax;
    await inParallel(await clustersWithHealth(deps.catalog, 'healthy'), clustersAtATime, async (clusterId) => {
      const cluster = snapshot.clusters.find((each) => each.id === clusterId);
      if (cluster === undefined) return;
      const damages = await look(deps, snapshot, cluster, found);
      const after = await readTouched(deps.catalog, before.at);
      const settled = damages.filter(({ id }) => !before.databases.has(id) && !after.databases.has(id));
      const now = settled.slice(0, Math.max(0, room));
      room -= now.length;
      found.left += settled.length - now.length;
      await inParallel(now, databasesAtATime, async (damage) => {
        try {
          const outcome = await mend(deps, clusterId, damage);
          if (outcome === 'limits') found.limitsSet += 1;
          if (outcome === 'logins') {
            found.mended.push(...damage.changes.map(({ login, what }) => ({ database: damage.id, login, what })));
          }
        } catch (error) {
          deps.log.error({ err: error, database_id: damage.id }, 'the logins of a database could not be mended');
          found.failed.push(damage.id);
        }
      });
    });
    return found;
  },
};

/** Alarms first: what a plan change has left may wait for the next run. */
async function look(
  { clusters, sealer, log }: ReconcilerDeps,
  snapshot: CatalogSnapshot,
  cluster: CatalogSnapshot['clusters'][number],
  found: { checked: number; failed: string[] },
): Promise<Damage[]> {
  let inventory: Awaited<ReturnType<ReturnType<typeof clusters.of>['inventory']>>;
  try {
    inventory = await clusters.of(cluster.id).inventory();
  } catch (error) {
    log.warn({ err: error, cluster_id: cluster.id }, 'the roles of a cluster could not be read');
    found.failed.push(cluster.id);
    return [];
  }
  const roles = new Map(inventory.roles.map((role) => [role.name, role]));
  const passwords = Map.groupBy(await otherPasswords({ cluster, inventory, snapshot }, sealer), ({ row }) => row.id);
  const alarms: Damage[] = [];
  const otherLimits: Damage[] = [];
  for (const row of snapshot.databases.values()) {
    if (row.cluster_id !== cluster.id || !mustExist(row)) continue;
    const differing = loginChanges(roles, row.id, limitsFor(snapshot, row));
    if (differing === undefined) continue;
    found.checked += 1;
    const changes = new Map(differing.changes.map(({ login, what }) => [login, what]));
    for (const { login } of passwords.get(row.id) ?? []) changes.set(login, [...(changes.get(login) ?? []), password]);
    if (changes.size > 0) alarms.push({ id: row.id, changes: [...changes].map(([login, what]) => ({ login, what })) });
    else if (differing.otherLimits) otherLimits.push({ id: row.id, changes: [] });
  }
  return [...alarms, ...otherLimits];
}

const password = 'password';

/**
 * While the catalog's row is held nobody claims or drops the database. Everything is set from what the catalog says now, so
 * a second run, or one in another process, changes nothing.
 */
async function mend(
  { catalog, clusters, sealer, log }: ReconcilerDeps,
  clusterId: Parameters<typeof clusters.of>[0],
  { id, changes }: Damage,
): Promise<'busy' | 'limits' | 'logins'> {
  const admin = clusters.of(clusterId);
  return await catalog.transaction().execute(async (tx) => {
    const held = await holdIfSettled(tx, id);
    if (held === undefined) return 'busy';
    const secrets = await sealedSecrets(tx, id);
    for (const { login, what } of changes) {
      const detail = { login, what };
      await writeAudit(tx, caller, { action: 'database.mend_role', targetType: 'database', targetId: id, detail });
      await writeEvent(tx, {
        type: 'database.role_mended.v1',
        ...(held.tenantId !== null && { tenantId: held.tenantId }),
        payload: { database_id: id, cluster_id: clusterId, ...detail },
      });
      const sealed = secrets[login];
      if (!what.includes(password) || sealed === undefined) continue;
      await admin.setVerifier(id, login, scramVerifier(sealer.open(sealed, secretContext(id, login))));
    }
    await admin.setLimits(id, held.limits === null ? stockLimits : limitsOfPlan(held.limits));
    if (changes.length === 0) return 'limits';
    for (const { login, what } of changes) {
      log.warn({ database_id: id, tenant_id: held.tenantId, login, what }, 'a login had been changed; it was mended');
    }
    await admin.terminateSessions(id);
    return 'logins';
  });
}
