// Owns a sweep for drift: every database is read once and compared with the schema of its version, the answer is stored, and what
// has newly drifted is an event. A database that something is changing meanwhile is not judged.
import { createHash } from 'node:crypto';
import { writeEvent } from '../../../catalog/events.ts';
import type { SchemaDifference } from '../../../catalog/fleet-schema.ts';
import type { ClusterId, DatabaseId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { catalogClock, isChanging, type KnownDatabase, storeSchemaCheck } from '../../../catalog/schema-checks.ts';
import type { Log } from '../../../platform/log.ts';
import type { ClusterAdmins } from '../../postgres/cluster-admin.ts';
import type { InventoryRole } from '../../postgres/cluster-inventory.ts';
import type { DatabaseSchema } from '../../postgres/read-schema.ts';
import { byCluster } from './by-cluster.ts';
import { describeUnanswered, type Unanswered } from './describe-unanswered.ts';
import { type GoldenSchemas, lanesHash } from './golden-schemas.ts';
import { roleDrift } from './role-drift.ts';
import { diffSchemas } from './schema-diff.ts';

export type DriftDeps = {
  readonly catalog: CatalogDb;
  readonly clusters: Pick<ClusterAdmins, 'of'>;
  readonly golden: GoldenSchemas;
  readonly readSchema: (id: DatabaseId, signal?: AbortSignal) => Promise<DatabaseSchema>;
  readonly log: Log;
};

export type SchemaVerdict = { drifted: boolean; adopted: boolean; differences: SchemaDifference[] };
export type DriftLine = { database: KnownDatabase } & ({ verdict: SchemaVerdict } | { error: Unanswered });
export type RolesOf = (cluster: ClusterId) => Promise<ReadonlyMap<string, InventoryRole>>;

export async function* sweepDrift(
  deps: DriftDeps,
  databases: readonly KnownDatabase[],
  { concurrency, signal }: { concurrency: number; signal?: AbortSignal | undefined },
): AsyncGenerator<DriftLine> {
  const since = await catalogClock(deps.catalog);
  const rolesOf = rolesOnce(deps);
  const look = async (database: KnownDatabase): Promise<DriftLine> => {
    if (database.closed)
      return { database, error: { code: 'closed', message: 'The database is closed to everybody.' } };
    try {
      const judged = await judgeSchema(deps, database, { since, rolesOf, signal });
      return 'code' in judged ? { database, error: judged } : { database, verdict: judged };
    } catch (error) {
      return { database, error: describeUnanswered(error) };
    }
  };
  yield* byCluster(databases, concurrency, look, signal);
}

/** The roles of a whole cluster are one query, asked once for all its databases. */
export function rolesOnce({ clusters }: Pick<DriftDeps, 'clusters'>): RolesOf {
  const known = new Map<ClusterId, ReturnType<RolesOf>>();
  return (cluster) => {
    const roles =
      known.get(cluster) ??
      clusters
        .of(cluster)
        .inventory()
        .then((found) => new Map(found.roles.map((role) => [role.name, role])));
    known.set(cluster, roles);
    return roles;
  };
}

type Context = { since: string; rolesOf: RolesOf; signal?: AbortSignal | undefined };

/** Reads, compares, stores. */
export async function judgeSchema(
  { catalog, golden, readSchema, log }: DriftDeps,
  database: KnownDatabase,
  { since, rolesOf, signal }: Context,
): Promise<SchemaVerdict | Unanswered> {
  const { databaseId, tenantId, slug, serverMajor, clusterId } = database;
  const schema = await readSchema(databaseId, signal);
  const should = await golden.of(schema.lanes, serverMajor);
  if (should === undefined) return versionUnknown;
  const roles = roleDrift(await rolesOf(clusterId), database);
  const inside = schema.fingerprint === should.fingerprint ? [] : diffSchemas(should.objects, schema.objects);
  const differences = [...roles, ...inside];
  if (differences.length > 0 && (await isChanging(catalog, databaseId, since))) return changing;
  const fingerprint = createHash('sha256').update(schema.fingerprint).update(JSON.stringify(roles)).digest('hex');
  const { drifted, adopted, isNew } = await catalog.transaction().execute(async (tx) => {
    const check = { databaseId, lanes: lanesHash(schema.lanes), fingerprint, differences };
    const stored = await storeSchemaCheck(tx, check);
    const payload = { database_id: databaseId, fingerprint, differences: differences.length };
    if (stored.isNew) await writeEvent(tx, { type: 'database.schema_drifted.v1', tenantId, payload });
    return stored;
  });
  if (isNew) log.warn({ database_id: databaseId, slug, differences: differences.length }, 'a schema has drifted');
  return { drifted, adopted, differences };
}

const versionUnknown: Unanswered = {
  code: 'version_unknown',
  message: 'No release has exactly the files of this database, so nobody can say what it should look like.',
};
const changing: Unanswered = {
  code: 'changing',
  message: 'A migration or an operation is changing it, or has meanwhile: look again.',
};
