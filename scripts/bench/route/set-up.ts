// Owns the installation under the bench: one PostgreSQL server, a catalog, a registered cluster, tenants made by the
// product's own operations, a token for each.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { systemCaller } from '../../../catalog/caller.ts';
import { runtimeAudience, runtimeTokenType } from '../../../catalog/claims.ts';
import { provisionerContext } from '../../../catalog/clusters.ts';
import { newId } from '../../../catalog/ids.ts';
import { migrateCatalog } from '../../../catalog/migrate.ts';
import { openCatalog } from '../../../catalog/open-catalog.ts';
import { seedPlans } from '../../../catalog/plans.ts';
import { activeSigningKey, ensureSigningKeys } from '../../../catalog/signing-keys.ts';
import { readLane } from '../../../control-plane/migration-files/read-folder.ts';
import { connectClusters } from '../../../control-plane/operations/cluster-connections.ts';
import { runOperation } from '../../../control-plane/operations/engine/run-operation.ts';
import { startProvisionTenant } from '../../../control-plane/operations/start/start-provision-tenant.ts';
import { installCluster } from '../../../control-plane/postgres/install-cluster.ts';
import { startEmbeddedPostgres, throwAwayParameters } from '../../../platform/embedded-postgres.ts';
import { signJwt } from '../../../platform/jwt.ts';
import { createLog } from '../../../platform/log.ts';
import type { PostgresAddress } from '../../../platform/postgres/address.ts';
import { openSession } from '../../../platform/postgres/session.ts';
import { createSealer, generateSealingKey, parseSealingKeys } from '../../../platform/sealing.ts';

export type BenchHouse = {
  env: Record<string, string>;
  tokensFile: string;
  /** The superuser's way in. */
  server: PostgresAddress;
  close(): Promise<void>;
};

const root = path.resolve(import.meta.dirname, '../../..');
const issuer = 'https://bench.local';

export async function setUpTenants(folder: string, count: number): Promise<BenchHouse> {
  const log = createLog({ name: 'bench', level: 'silent' });
  const server = await startEmbeddedPostgres({
    dataDir: path.join(folder, 'data'),
    superuserPassword: randomBytes(16).toString('hex'),
    // Durability is not what is measured; every tenant keeps a session in each of two runtimes.
    parameters: { ...throwAwayParameters, max_connections: String(2 * count + 200), shared_buffers: '256MB' },
  });
  const superuser = async (text: string, database = 'postgres') => {
    const session = await openSession({ ...server.address, database }, { applicationName: 'bench' });
    await session.script(text);
    await session.close();
  };
  await superuser('create database freehold_catalog');
  const address = { ...server.address, database: 'freehold_catalog' };
  await migrateCatalog(address);
  await superuser(
    `create role bench_runtime login password 'bench' in role freehold_runtime; grant connect on database freehold_catalog to bench_runtime`,
  );
  const sealingKeys = generateSealingKey();
  const sealer = createSealer(parseSealingKeys(sealingKeys));
  const catalog = openCatalog({ address, sessionsMax: 10, applicationName: 'bench-catalog', log });
  await seedPlans(catalog.db);
  await ensureSigningKeys(catalog.db, sealer, issuer);

  const installed = await installCluster({
    address: server.address,
    mac: (text) => sealer.mac('installation', text),
    log,
  });
  await superuser('grant connect on database freehold_catalog to bench_runtime');
  const clusterId = newId('cluster');
  await catalog.db
    .insertInto('clusters')
    .values({
      id: clusterId,
      name: 'bench',
      region: 'here',
      tier: 'shared',
      state: 'active',
      host: address.host,
      port: address.port,
      provisioner_sealed: sealer.seal(installed.provisionerPassword, provisionerContext(clusterId)),
      server_version_num: installed.serverVersionNum,
      capabilities: JSON.stringify(installed.capabilities),
      capacity: count,
      // Two runtimes with a session of every tenant, and what is kept free.
      connection_budget: 2 * count + 100,
    })
    .execute();
  const lanes = [
    await readLane('core', path.join(root, 'migrations/core')),
    await readLane('tenant', path.join(root, 'migrations/tenant')),
  ];
  const connections = connectClusters({ catalog: catalog.db, sealer, heads: async () => lanes, log });
  const deps = { catalog: catalog.db, ...connections, sealer, log, holder: 'bench', wake: async () => {} };
  const key = await activeSigningKey(catalog.db, sealer, issuer);
  const tokens: string[] = [];
  const iat = Math.floor(Date.now() / 1000);
  for (let n = 0; n < count; n++) {
    const input = {
      slug: `bench-${n}-t`,
      name: `Bench ${n}`,
      region: 'here',
      tier: 'shared' as const,
      planId: 'team',
      labels: {},
    };
    const { tenant, operation } = await startProvisionTenant(catalog.db, input, systemCaller('bench'));
    const { outcome } = await runOperation(deps, operation.id);
    if (outcome !== 'succeeded') throw new Error(`tenant ${n} could not be made: ${outcome}`);
    const claims = {
      iss: issuer,
      aud: runtimeAudience,
      sub: 'bench',
      tid: tenant.id,
      ep: 1,
      scope: 'sql rest graphql',
      iat,
      exp: iat + 900,
    };
    tokens.push(await signJwt(claims, key, { typ: runtimeTokenType }));
  }
  const fixed = await catalog.db
    .selectFrom('databases')
    .select(['id', 'name'])
    .where('state', '=', 'claimed')
    .executeTakeFirstOrThrow();
  const password = randomBytes(16).toString('hex');
  await superuser(
    `create role bench_fixed login password '${password}' in role ${fixed.name}, ${fixed.name}_app_a; alter role bench_fixed set search_path = public, pg_temp`,
  );
  await connections.close();
  await catalog.close();
  const tokensFile = path.join(folder, 'tokens.txt');
  fs.writeFileSync(tokensFile, `${tokens.join('\n')}\n`, { mode: 0o600 });
  const at = `${address.host}:${address.port}`;
  return {
    tokensFile,
    server: server.address,
    env: {
      FREEHOLD_RUNTIME_CATALOG_URL: `postgres://bench_runtime:bench@${at}/freehold_catalog`,
      FREEHOLD_SEALING_KEYS: sealingKeys,
      FREEHOLD_RUNTIME_PORT: '0',
      FREEHOLD_RUNTIME_METRICS_PORT: '0',
      FREEHOLD_RUNTIME_SESSIONS_PER_CLUSTER_MAX: String(count + 20),
      FREEHOLD_RUNTIME_SESSION_WAIT_MS: '30000',
      FREEHOLD_RUNTIME_SESSION_IDLE_MS: '600000',
      FREEHOLD_LOG_LEVEL: 'warn',
      BENCH_FIXED_URL: `postgres://bench_fixed:${password}@${at}/${fixed.name}`,
    },
    close: () => server.stop('immediate'),
  };
}
