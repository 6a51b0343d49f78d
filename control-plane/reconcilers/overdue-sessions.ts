// Owns the reaper: what a tenant's login does for longer than its plan allows is ended from outside, because a login can undo
// every timeout of its own (D08, D09). The runtime cancels first and the server second, so what gets here was tampered with or
// lost its runtime; each is told in a log line, an audit entry and an event.
import { writeAudit } from '../../catalog/audit.ts';
import { systemCaller } from '../../catalog/caller.ts';
import { clustersWithHealth } from '../../catalog/cluster-health.ts';
import { writeEvent } from '../../catalog/events.ts';
import type { ClusterId } from '../../catalog/ids.ts';
import { type DatabaseTimes, shortestStatementMs, timesOf } from '../../catalog/overdue-limits.ts';
import { inParallel } from '../fsck/in-parallel.ts';
import type { OverdueSession } from '../postgres/tenant-sessions.ts';
import type { Reconciler, ReconcilerDeps } from './reconciler.ts';

/** After the runtime's cancel and the server's own timeout, two seconds later, have had their turn. */
const marginMs = 3_000;
/** Nothing of ours waits in a transaction for as long; the runtime's sessions end after 10 s by themselves. */
const idleInTransactionMs = 60_000;
const clustersAtATime = 4;

const name = 'overdue-sessions';
const caller = systemCaller(name);

export const overdueSessions: Reconciler = {
  name,
  everyMs: 2_000,
  async run(deps) {
    const shortestMs = Math.min((await shortestStatementMs(deps.catalog)) + marginMs, idleInTransactionMs);
    const found = { ended: [] as { database: string; login: string; over: string }[], failed: [] as ClusterId[] };
    await inParallel(await clustersWithHealth(deps.catalog, 'healthy'), clustersAtATime, async (clusterId) => {
      try {
        for (const { database, login, over } of await reap(deps, clusterId, shortestMs)) {
          found.ended.push({ database, login, over });
        }
      } catch (err) {
        deps.log.warn({ err, cluster_id: clusterId }, 'overdue sessions could not be looked for');
        found.failed.push(clusterId);
      }
    });
    return found;
  },
};

async function reap(
  { catalog, clusters, log }: ReconcilerDeps,
  clusterId: ClusterId,
  shortestMs: number,
): Promise<OverdueSession[]> {
  const admin = clusters.of(clusterId);
  const databases = new Map(
    (await timesOf(catalog, clusterId, await admin.busyFor(shortestMs))).map((it) => [it.name, it]),
  );
  if (databases.size === 0) return [];
  const ended = await admin.endOverdue(
    [...databases.values()].map(({ name: database, limits }) => ({
      database,
      statementMs: limits.statement_timeout_ms + marginMs,
      transactionMs: limits.transaction_timeout_ms + marginMs,
      idleInTransactionMs,
    })),
  );
  await catalog.transaction().execute(async (tx) => {
    for (const { database, login, over, ageMs } of ended) {
      const { id, tenantId } = databases.get(database) as DatabaseTimes;
      const detail = { login: login.slice(database.length + 1), over, age_ms: Number(ageMs) };
      await writeAudit(tx, caller, { action: 'database.end_session', targetType: 'database', targetId: id, detail });
      await writeEvent(tx, {
        type: 'database.session_ended.v1',
        ...(tenantId !== null && { tenantId }),
        payload: { database_id: id, cluster_id: clusterId, ...detail },
      });
      log.warn(
        { database_id: id, tenant_id: tenantId, ...detail },
        'a session outlived the limits of its plan; it was ended',
      );
    }
  });
  return ended;
}
