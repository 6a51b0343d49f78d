// Owns repairing what has drifted: looked at anew, then only what can lose nothing and lock nobody out, as the database's owner, with
// every statement in the audit before it runs; and looked at again. The rest stays named.
import { writeAudit } from '../../../catalog/audit.ts';
import type { Caller } from '../../../catalog/caller.ts';
import type { SchemaDifference } from '../../../catalog/fleet-schema.ts';
import { namesOf } from '../../../catalog/names.ts';
import { catalogClock, type KnownDatabase } from '../../../catalog/schema-checks.ts';
import { limitsOfPlan } from '../../operations/database-limits.ts';
import type { RepairOutcome } from '../../postgres/run-repairs.ts';
import type { TenantDatabases } from '../../postgres/tenant-database.ts';
import { byCluster } from './by-cluster.ts';
import { describeUnanswered, type Unanswered } from './describe-unanswered.ts';
import { statementsFor } from './schema-diff.ts';
import { type DriftDeps, judgeSchema, rolesOnce, type SchemaVerdict } from './sweep-drift.ts';

export type RepairDeps = DriftDeps & { readonly databases: Pick<TenantDatabases, 'repair'> };
export type RepairLine = { database: KnownDatabase } & (
  | { repairs: RepairOutcome[]; verdict: SchemaVerdict }
  | { error: Unanswered }
);

export async function* repairDrift(
  deps: RepairDeps,
  databases: readonly KnownDatabase[],
  caller: Caller,
  { concurrency, signal }: { concurrency: number; signal?: AbortSignal | undefined },
): AsyncGenerator<RepairLine> {
  const repair = async (database: KnownDatabase): Promise<RepairLine> => {
    if (database.closed)
      return { database, error: { code: 'closed', message: 'The database is closed to everybody.' } };
    try {
      return await repairOne(deps, database, caller);
    } catch (error) {
      return { database, error: describeUnanswered(error) };
    }
  };
  yield* byCluster(databases, concurrency, repair, signal);
}

async function repairOne(deps: RepairDeps, database: KnownDatabase, caller: Caller): Promise<RepairLine> {
  const before = await judge(deps, database);
  if ('code' in before) return { database, error: before };
  // What somebody has adopted is meant to be as it is.
  const mendable = before.drifted ? before.differences.filter(({ repairable }) => repairable) : [];
  if (mendable.length === 0) return { database, repairs: [], verdict: before };
  const roles = mendable.filter(({ kind }) => kind === 'role');
  const statements = mendable.flatMap((each) => statementsFor(each, namesOf(database.databaseId).database));
  await tell(deps, database, caller, { statements, roles });
  const repairs = statements.length === 0 ? [] : await deps.databases.repair(database.databaseId, statements);
  if (roles.length > 0) await mendRoles(deps, database);
  const verdict = await judge(deps, database);
  return 'code' in verdict ? { database, error: verdict } : { database, repairs, verdict };
}

async function judge(deps: RepairDeps, database: KnownDatabase) {
  return judgeSchema(deps, database, { since: await catalogClock(deps.catalog), rolesOf: rolesOnce(deps) });
}

async function tell(
  { catalog }: RepairDeps,
  { databaseId, slug }: KnownDatabase,
  caller: Caller,
  { statements, roles }: { statements: readonly string[]; roles: readonly SchemaDifference[] },
): Promise<void> {
  const detail = { slug, statements, roles: roles.map(({ object }) => object) };
  await catalog
    .transaction()
    .execute((tx) =>
      writeAudit(tx, caller, { action: 'fleet.repair', targetType: 'database', targetId: databaseId, detail }),
    );
}

/** As role-settings does: sessions that hold what was set before end. */
async function mendRoles({ clusters }: RepairDeps, { clusterId, databaseId, limits }: KnownDatabase): Promise<void> {
  const admin = clusters.of(clusterId);
  await admin.setLimits(databaseId, limitsOfPlan(limits));
  await admin.terminateSessions(databaseId);
}
