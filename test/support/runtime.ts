// Owns a tenant runtime for tests: a whole installation behind it, tenants with a canary row each, tokens of any kind, and
// the runtime itself in this process, reached over real HTTP.
import { createHash, randomBytes } from 'node:crypto';
import { systemCaller } from '../../catalog/caller.ts';
import { runtimeAudience, runtimeTokenType } from '../../catalog/claims.ts';
import type { DatabaseId, TenantId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import { activeSigningKey, ensureSigningKeys } from '../../catalog/signing-keys.ts';
import { startProvisionTenant } from '../../control-plane/operations/start/start-provision-tenant.ts';
import { systemClock } from '../../platform/clock.ts';
import { loadConfig } from '../../platform/config.ts';
import { serve } from '../../platform/http/serve.ts';
import { type SigningKey, signJwt } from '../../platform/jwt.ts';
import { createMetrics, type Metrics } from '../../platform/metrics.ts';
import { runtimeConfig } from '../../tenant-runtime/config.ts';
import { createRuntime, type Runtime } from '../../tenant-runtime/runtime.ts';
import { createInstallation, type Installation, type TestCluster, testLog } from './installation.ts';
import { startPgbouncer, type TestPgbouncer } from './pgbouncer.ts';
import type { ServerAddress } from './server-address.ts';
import { superuserSql } from './superuser-sql.ts';

export const testIssuer = 'https://issuer.test';

export type TestTenant = {
  id: TenantId;
  databaseId: DatabaseId;
  /** The superuser's way into its database. */
  address: ServerAddress;
  /** The one row of public.canary. */
  canary: string;
};

export type RunningRuntime = Runtime & { url: string; metrics: Metrics; close(): Promise<void> };

export type RuntimeFixture = {
  house: Installation;
  /** Environment that a runtime of this installation starts with. */
  env: Record<string, string>;
  signingKey(): Promise<SigningKey>;
  addTenant(planId?: string): Promise<TestTenant>;
  /** One for each cluster, in their order, where the fixture was asked for them. */
  poolers: readonly TestPgbouncer[];
  /** Where runtimes reach a cluster: its server or its pooler. */
  doorOf(cluster: TestCluster): { host: string; port: number };
  /** Runtimes that learn of it from now on go to another port of this machine. */
  moveDoor(cluster: TestCluster, port: number): Promise<void>;
  token(tenantId: TenantId, claims?: Record<string, unknown>): Promise<string>;
  startRuntime(env?: Record<string, string>): Promise<RunningRuntime>;
  close(): Promise<void>;
};

/** @param pooler a PgBouncer in front of each cluster; test/runtime/pooler-cases.test.ts sets the variable */
export async function createRuntimeFixture({
  pooler = process.env.FREEHOLD_TEST_POOLER === '1',
} = {}): Promise<RuntimeFixture> {
  const house = await createInstallation();
  const { catalog, sealer } = house;
  const poolers = pooler ? await startPoolers(house) : [];
  await ensureSigningKeys(catalog.db, sealer, testIssuer);
  const login = `test_runtime_${randomBytes(5).toString('hex')}`;
  await superuserSql(catalog.address, `create role ${login} login password 'only-in-tests' in role freehold_runtime`);
  const { host, port, database } = catalog.address;
  const env = {
    FREEHOLD_RUNTIME_CATALOG_URL: `postgres://${login}:only-in-tests@${host}:${port}/${database}`,
    FREEHOLD_SEALING_KEYS: `test:${createHash('sha256').update('only in tests').digest('base64')}`,
    FREEHOLD_RUNTIME_PORT: '0',
  };
  const running = new Set<RunningRuntime>();
  const signingKey = () => activeSigningKey(catalog.db, sealer, testIssuer);
  return {
    house,
    env,
    signingKey,
    poolers,
    doorOf({ name, server }) {
      const pooler = poolers[name === 'one' ? 0 : 1];
      return pooler === undefined ? server.address : { host: '127.0.0.1', port: pooler.port };
    },
    async moveDoor({ id }, port) {
      const door = poolers.length === 0 ? { port } : { pooler_url: `postgres://127.0.0.1:${port}` };
      await catalog.db.updateTable('clusters').set(door).where('id', '=', id).execute();
    },
    async addTenant(planId = 'team') {
      const tenant = await addTenant(house, planId);
      for (const each of poolers) await each.admitLogins();
      return tenant;
    },
    async token(tenantId, claims = {}) {
      const iat = Math.floor(Date.now() / 1000);
      const standard = {
        iss: testIssuer,
        aud: runtimeAudience,
        sub: 'user-1',
        tid: tenantId,
        ep: 1,
        iat,
        exp: iat + 600,
      };
      return signJwt({ ...standard, scope: 'tenant:read sql', ...claims }, await signingKey(), {
        typ: runtimeTokenType,
      });
    },
    async startRuntime(more = {}) {
      const runtime = await startRuntime({ ...env, ...more });
      running.add(runtime);
      return runtime;
    },
    async close() {
      await Promise.all([...running].map((runtime) => runtime.close()));
      const { address } = catalog;
      for (const each of poolers) await each.remove();
      await house.close();
      await superuserSql({ ...address, database: 'postgres' }, `drop role ${login}`);
    },
  };
}

/** From then on runtimes reach the tenants of both clusters by a PgBouncer. */
async function startPoolers({ catalog, clusters }: Installation): Promise<TestPgbouncer[]> {
  const poolers: TestPgbouncer[] = [];
  for (const { id, server } of clusters) {
    const pooler = await startPgbouncer(server.address);
    poolers.push(pooler);
    await catalog.db.updateTable('clusters').set({ pooler_url: pooler.url }).where('id', '=', id).execute();
  }
  return poolers;
}

async function startRuntime(env: Record<string, string>): Promise<RunningRuntime> {
  const metrics = createMetrics();
  const log = testLog();
  const config = loadConfig(runtimeConfig, env);
  const runtime = createRuntime({ config, version: 'test', log, metrics, clock: systemClock });
  await runtime.start();
  const server = await serve({ app: runtime.app, host: '127.0.0.1', port: 0, log });
  let closed: Promise<void> | undefined;
  return Object.assign(runtime, {
    url: server.url,
    metrics,
    close: () => {
      closed ??= server.close(1_000).then(() => runtime.stop());
      return closed;
    },
  });
}

let slugs = 0;

async function addTenant(house: Installation, planId: string): Promise<TestTenant> {
  const { db } = house.catalog;
  const input = {
    slug: `runtime-${++slugs}`,
    name: 'A tenant',
    region: 'here',
    tier: 'shared' as const,
    planId,
    labels: {},
  };
  const { tenant, operation } = await startProvisionTenant(db, input, systemCaller('test'));
  const outcome = await house.run(operation.id);
  if (outcome.outcome !== 'succeeded') throw new Error(`provisioning: ${JSON.stringify(outcome)}`);
  const row = await db
    .selectFrom('databases as d')
    .innerJoin('clusters as c', 'c.id', 'd.cluster_id')
    .select(['d.id', 'c.id as cluster'])
    .where('d.tenant_id', '=', tenant.id)
    .executeTakeFirstOrThrow();
  const server = house.clusters.find((cluster) => cluster.id === row.cluster)?.server;
  if (server === undefined) throw new Error('the database is on a cluster of the installation');
  const { database, owner } = namesOf(row.id);
  const address = { ...server.address, database };
  const canary = `canary of ${tenant.id}`;
  await superuserSql(
    address,
    `set role ${owner}; create table public.canary (tenant_uid text not null, note text); insert into public.canary values ('${canary}')`,
  );
  return { id: tenant.id, databaseId: row.id, address, canary };
}

export type Answer = { status: number; body: Record<string, unknown>; headers: Headers };

/** One request; the body is sent as JSON. */
export async function call(
  url: string,
  token: string | undefined,
  request: {
    method?: string;
    path?: string;
    body?: unknown;
    headers?: Record<string, string>;
    signal?: AbortSignal;
  } = {},
): Promise<Answer> {
  const { body, path = body === undefined ? '/v1/tenant' : '/v1/sql' } = request;
  const response = await fetch(url + path, {
    method: request.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      'content-type': 'application/json',
      ...request.headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    ...(request.signal && { signal: request.signal }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: parsed(text) };
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return { text };
  }
}
