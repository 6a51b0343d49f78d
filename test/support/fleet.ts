// Owns a fleet for tests: tenants with real databases on the two clusters of an installation, a release one file ahead of them,
// and a rollout engine of this process that a test works by hand or lets run to its end.
import { createHash, randomUUID } from 'node:crypto';
import { systemCaller } from '../../catalog/caller.ts';
import { type DatabaseId, newId, type ReleaseId, type RolloutId, type TenantId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import { readFilesBeyond } from '../../catalog/releases.ts';
import { type RolloutPolicy, rolloutPolicySchema } from '../../catalog/rollout-policy.ts';
import { findRollout, type RolloutRow } from '../../catalog/rollouts.ts';
import { laneHash, versionsOf } from '../../control-plane/migration-files/lane-hash.ts';
import type { Lane, MigrationFile } from '../../control-plane/migration-files/migration-file.ts';
import { readLane } from '../../control-plane/migration-files/read-folder.ts';
import { startProvisionTenant } from '../../control-plane/operations/start/start-provision-tenant.ts';
import { createRollout } from '../../control-plane/rollouts/start/create-rollout.ts';
import { createFleetWork, type FleetWork } from '../../control-plane/rollouts/work/fleet-work.ts';
import type { Migrator } from '../../control-plane/rollouts/work/migrator.ts';
import type { PumpDeps } from '../../control-plane/rollouts/work/pump.ts';
import type { Installation } from './installation.ts';
import { root } from './processes.ts';
import { superuserSql } from './superuser-sql.ts';
import { waitUntil } from './wait-until.ts';

export type FleetTenant = { slug: string; tenantId: TenantId; databaseId: DatabaseId; cluster: 0 | 1 };

/** Provisioned as any tenant, half on each cluster. */
export async function createFleetTenants(house: Installation, count: number, prefix = 'fleet'): Promise<FleetTenant[]> {
  const ids: TenantId[] = [];
  for (let i = 0; i < count; i++) {
    const input = {
      slug: `${prefix}-${i}`,
      name: `${i}`,
      region: 'here',
      tier: 'shared',
      planId: 'team',
      labels: {},
    } as const;
    ids.push((await startProvisionTenant(house.catalog.db, input, systemCaller('test'))).tenant.id);
  }
  // One after the other: the order of their databases, in which a rollout takes them, is that of their slugs.
  await house.runAll();
  return fleetTenants(house, ids);
}

async function fleetTenants(house: Installation, ids: readonly TenantId[]): Promise<FleetTenant[]> {
  const rows = await house.catalog.db
    .selectFrom('databases as d')
    .innerJoin('tenants as t', 't.id', 'd.tenant_id')
    .select(['d.id', 'd.tenant_id', 'd.cluster_id', 't.slug'])
    .where('d.tenant_id', 'in', ids)
    .orderBy('d.id')
    .execute();
  return rows.map((row) => ({
    slug: row.slug,
    tenantId: row.tenant_id as TenantId,
    databaseId: row.id,
    cluster: row.cluster_id === house.clusters[0].id ? 0 : 1,
  }));
}

/** The tenant lane with files of this SQL behind it. */
export function laneWith(...statements: string[]): Promise<Lane> {
  return namedLaneWith('tenant', statements);
}

export async function namedLaneWith(lane: 'core' | 'tenant', statements: readonly string[]): Promise<Lane> {
  const base = await readLane(lane, `${root}/migrations/${lane}`);
  const added = statements.map((statement, i): MigrationFile => {
    const name = `2026120100000000${i}_test-${createHash('sha256').update(statement).digest('hex').slice(0, 8)}`;
    const hash = createHash('sha256').update(statement).digest('hex');
    return {
      name,
      hash,
      up: { transaction: true, statements: [statement] },
      down: null,
      program: null,
      contractRequires: null,
    };
  });
  const files = [...base.files, ...added];
  const version = (files.at(-1) as MigrationFile).name.split('_')[0] as string;
  return { name: lane, files, version, hash: laneHash(files) };
}

export async function storeRelease(house: Pick<Installation, 'catalog'>, lane: Lane): Promise<ReleaseId> {
  const id = newId('release');
  await house.catalog.db
    .insertInto('releases')
    .values({
      id,
      lane: lane.name,
      name: `r-${lane.hash.slice(0, 12)}`,
      version: lane.version,
      hash: lane.hash,
      contract_requires: null,
      app_min: null,
      app_max: null,
      created_by: 'test',
    })
    .execute();
  return id;
}

export type Begun = { lane: Lane; release: ReleaseId; rollout: RolloutRow };

export type BeginOptions = {
  policy?: Parameters<typeof rolloutPolicySchema.parse>[0];
  /** Sizes of the waves; what is left over is one more. */
  waves?: readonly number[];
  bakeMs?: number;
  movesHead?: boolean;
  approval?: boolean;
  kind?: 'migrate' | 'rollback';
  /** One that was registered; a row without files is made where there is none. */
  release?: ReleaseId;
};

export async function beginRollout(
  house: Installation,
  tenants: readonly FleetTenant[],
  lane: Lane,
  {
    policy,
    waves = [],
    bakeMs = 0,
    movesHead = false,
    approval = false,
    kind = 'migrate',
    release: stored,
  }: BeginOptions = {},
): Promise<Begun> {
  const release = stored ?? (await storeRelease(house, lane));
  const rollout = await createRollout(house.catalog.db, systemCaller('test'), lane.name, async () => {
    const members = tenants.map((tenant, i) => {
      let wave = 0;
      for (let end = 0; wave < waves.length; wave++) {
        end += waves[wave] as number;
        if (i < end) break;
      }
      const clusterId = house.clusters[tenant.cluster].id;
      return { databaseId: tenant.databaseId, tenantId: tenant.tenantId, clusterId, wave };
    });
    const last = Math.max(0, ...members.map((member) => member.wave));
    return {
      kind,
      lane: lane.name,
      releaseId: release,
      statement: null,
      movesHead,
      selection: movesHead ? {} : { databases: tenants.map((tenant) => tenant.databaseId) },
      policy: rolloutPolicySchema.parse(policy ?? {}) as RolloutPolicy,
      approvalRequired: approval,
      waves: Array.from({ length: last + 1 }, (_, i) => ({
        name: `wave ${i}`,
        group_name: null,
        concurrency: null,
        maintenance_window: null,
        bake_ms: bakeMs,
      })),
      members,
    };
  });
  return { lane, release, rollout };
}

/** An engine of its own: two of them are two control planes. */
export function fleetWork(house: Installation, lane: Lane, more: Partial<PumpDeps> = {}): FleetWork {
  return createFleetWork({
    catalog: house.catalog.db,
    databases: house.connections.databases as unknown as Migrator,
    laneOf: async () => lane,
    filesBeyond: (target) => readFilesBeyond(house.catalog.db, target),
    selected: async () => [],
    moveHead: async (tx, name, release, actor) => {
      const head = { lane: name, release_id: release, moved_by: actor };
      await tx
        .insertInto('lane_heads')
        .values(head)
        .onConflict((on) => on.column('lane').doUpdateSet({ release_id: release, moved_by: actor }))
        .execute();
    },
    log: house.log,
    holder: `test-${randomUUID()}`,
    ...more,
  });
}

/** As reconciler and queue do, until it does not run any more. */
export async function runToEnd(house: Installation, work: FleetWork, id: RolloutId, pumps = 2): Promise<RolloutRow> {
  await waitUntil(
    async () => {
      if ((await work.drive(id)).state !== 'running') return true;
      await Promise.all(Array.from({ length: pumps }, () => work.pump(id)));
      return (await work.drive(id)).state !== 'running';
    },
    { what: `the end of ${id}`, timeoutMs: 60_000, intervalMs: 50 },
  );
  return (await findRollout(house.catalog.db, id)) as RolloutRow;
}

export async function membersOf(house: Installation, id: RolloutId) {
  return house.catalog.db
    .selectFrom('rollout_members')
    .selectAll()
    .where('rollout_id', '=', id)
    .orderBy('database_id')
    .execute();
}

export async function countsOf(house: Installation, id: RolloutId): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { state } of await membersOf(house, id)) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

export function inDatabase<R>(house: Installation, tenant: FleetTenant, sql: string): Promise<R[]> {
  const { address } = house.clusters[tenant.cluster].server;
  return superuserSql({ ...address, database: namesOf(tenant.databaseId).database }, sql) as Promise<R[]>;
}

export async function appliedIn(house: Installation, tenant: FleetTenant) {
  const rows = await inDatabase<{ lane: string; name: string; hash: string }>(
    house,
    tenant,
    'select lane, name, hash from freehold.ledger order by lane, name',
  );
  return { names: rows.map((row) => row.name), lanes: versionsOf(rows) };
}
