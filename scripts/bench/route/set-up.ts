// Owns the installation under the bench: one PostgreSQL server, a catalog, a registered cluster, tenants made by the product's own
// operations, a token for each. What stands in the folder from a run before is used again, because 2,000 databases take minutes.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { runtimeAudience, runtimeTokenType } from '../../../catalog/claims.ts';
import { provisionerContext } from '../../../catalog/clusters.ts';
import { newId, type TenantId } from '../../../catalog/ids.ts';
import { migrateCatalog } from '../../../catalog/migrate.ts';
import { type Catalog, openCatalog } from '../../../catalog/open-catalog.ts';
import { seedPlans } from '../../../catalog/plans.ts';
import { activeSigningKey, ensureSigningKeys } from '../../../catalog/signing-keys.ts';
import { installCluster } from '../../../control-plane/postgres/install-cluster.ts';
import { startEmbeddedPostgres, throwAwayParameters } from '../../../platform/embedded-postgres.ts';
import { signJwt } from '../../../platform/jwt.ts';
import { createLog } from '../../../platform/log.ts';
import type { PostgresAddress } from '../../../platform/postgres/address.ts';
import { openSession } from '../../../platform/postgres/session.ts';
import { createSealer, generateSealingKey, parseSealingKeys, type Sealer } from '../../../platform/sealing.ts';
import { makeTenants } from './make-tenants.ts';

export type BenchHouse = {
  env: Record<string, string>;
  /** In the order of the tokens. */
  tenants: readonly TenantId[];
  tokensFile: string;
  /** The superuser's way in. */
  server: PostgresAddress;
  /** Of the server. */
  postgresPid: number;
  close(): Promise<void>;
};

/** What a later run in the same folder has to know. */
type Kept = {
  superuserPassword: string;
  port: number;
  sealingKeys: string;
  tenants: TenantId[];
  fixed: { database: string; password: string };
};

const issuer = 'https://bench.local';
const log = createLog({ name: 'bench', level: 'silent' });

export async function setUpTenants(folder: string, count: number): Promise<BenchHouse> {
  const keptFile = path.join(folder, 'kept.json');
  const kept = fs.existsSync(keptFile) ? (JSON.parse(fs.readFileSync(keptFile, 'utf8')) as Kept) : undefined;
  if (kept !== undefined && kept.tenants.length !== count)
    throw new Error(`${folder} has ${kept.tenants.length} tenants`);
  const server = await startEmbeddedPostgres({
    dataDir: path.join(folder, 'data'),
    superuserPassword: kept?.superuserPassword ?? randomBytes(16).toString('hex'),
    ...(kept !== undefined && { port: kept.port }), // the catalog knows the cluster by it
    // Durability is not what is measured; every tenant keeps a session in each of four runtimes.
    parameters: { ...throwAwayParameters, max_connections: String(5 * count + 200), shared_buffers: '256MB' },
  });
  const { address } = server;
  const house = kept ?? (await install(address, count));
  if (kept === undefined) fs.writeFileSync(keptFile, JSON.stringify(house), { mode: 0o600 });
  const sealer = createSealer(parseSealingKeys(house.sealingKeys));
  const catalog = open(address);
  await catalog.db.deleteFrom('connection_shares').execute(); // of runtimes of a run before
  const tokensFile = path.join(folder, 'tokens.txt');
  const tokens = await tokensOf(catalog, sealer, house.tenants);
  fs.writeFileSync(tokensFile, `${tokens.join('\n')}\n`, { mode: 0o600 });
  await catalog.close();
  const at = `${address.host}:${address.port}`;
  return {
    tenants: house.tenants,
    tokensFile,
    server: address,
    postgresPid: server.pid,
    env: {
      FREEHOLD_RUNTIME_CATALOG_URL: `postgres://bench_runtime:bench@${at}/freehold_catalog`,
      FREEHOLD_SEALING_KEYS: house.sealingKeys,
      FREEHOLD_RUNTIME_PORT: '0',
      FREEHOLD_RUNTIME_METRICS_PORT: '0',
      FREEHOLD_RUNTIME_SESSIONS_PER_CLUSTER_MAX: String(count + 20),
      FREEHOLD_RUNTIME_SESSION_WAIT_MS: '30000',
      FREEHOLD_RUNTIME_SESSION_IDLE_MS: '600000',
      FREEHOLD_LOG_LEVEL: 'warn',
      BENCH_TENANTS: String(count),
      BENCH_FIXED_URL: `postgres://bench_fixed:${house.fixed.password}@${at}/${house.fixed.database}`,
    },
    close: () => server.stop('immediate'),
  };
}

const open = (address: PostgresAddress): Catalog =>
  openCatalog({
    address: { ...address, database: 'freehold_catalog' },
    sessionsMax: 10,
    applicationName: 'bench-catalog',
    log,
  });

async function install(address: PostgresAddress, count: number): Promise<Kept> {
  const superuser = async (text: string) => {
    const session = await openSession(address, { applicationName: 'bench' });
    await session.script(text);
    await session.close();
  };
  await superuser('create database freehold_catalog');
  await migrateCatalog({ ...address, database: 'freehold_catalog' });
  await superuser(
    `create role bench_runtime login password 'bench' in role freehold_runtime; grant connect on database freehold_catalog to bench_runtime`,
  );
  const sealingKeys = generateSealingKey();
  const sealer = createSealer(parseSealingKeys(sealingKeys));
  const catalog = open(address);
  await seedPlans(catalog.db);
  await ensureSigningKeys(catalog.db, sealer, issuer);
  const installed = await installCluster({ address, mac: (text) => sealer.mac('installation', text), log });
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
      // Four runtimes with a session of every tenant, and what is kept free.
      connection_budget: 4 * count + 100,
    })
    .execute();
  const tenants = await makeTenants(catalog, sealer, log, count);
  const { name } = await catalog.db
    .selectFrom('databases')
    .select('name')
    .where('state', '=', 'claimed')
    .executeTakeFirstOrThrow();
  const password = randomBytes(16).toString('hex');
  await superuser(
    `create role bench_fixed login password '${password}' in role ${name}, ${name}_app_a; alter role bench_fixed set search_path = public, pg_temp`,
  );
  await catalog.close();
  const { password: superuserPassword, port } = address;
  return { superuserPassword, port, sealingKeys, tenants, fixed: { database: name, password } };
}

async function tokensOf(catalog: Catalog, sealer: Sealer, tenants: readonly TenantId[]): Promise<string[]> {
  const key = await activeSigningKey(catalog.db, sealer, issuer);
  const iat = Math.floor(Date.now() / 1000);
  const common = { iss: issuer, aud: runtimeAudience, sub: 'bench', ep: 1, scope: 'sql rest graphql', iat };
  return Promise.all(tenants.map((tid) => signJwt({ ...common, tid, exp: iat + 900 }, key, { typ: runtimeTokenType })));
}
