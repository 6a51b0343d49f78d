// Owns what every role of the control plane stands on: the catalog at its newest schema, the sealer, the lanes, the connections
// to clusters and the queue. Each is closed by the lifecycle after those that use it.
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { ensureBootstrapKey } from '../catalog/api-keys.ts';
import { catalogFault } from '../catalog/errors.ts';
import { migrateCatalog } from '../catalog/migrate.ts';
import { type Catalog, openCatalog } from '../catalog/open-catalog.ts';
import { seedPlans } from '../catalog/plans.ts';
import { countDrifted } from '../catalog/schema-checks.ts';
import { activeSigningKey, ensureSigningKeys } from '../catalog/signing-keys.ts';
import { isFault } from '../platform/errors.ts';
import type { Lifecycle } from '../platform/lifecycle.ts';
import type { Log } from '../platform/log.ts';
import type { Metrics } from '../platform/metrics.ts';
import { type PostgresAddress, parseAddress } from '../platform/postgres/address.ts';
import { ConnectionLostError } from '../platform/postgres/errors.ts';
import { openSession } from '../platform/postgres/session.ts';
import { createSealer, parseSealingKeys, type Sealer } from '../platform/sealing.ts';
import type { ControlPlaneConfig } from './config.ts';
import type { Lane } from './migration-files/migration-file.ts';
import { readLane } from './migration-files/read-folder.ts';
import { type ClusterConnections, connectClusters } from './operations/cluster-connections.ts';
import { createHeadLanes } from './operations/head-lanes.ts';
import { parseBookkeeping } from './postgres/bookkeeping-table.ts';
import { createQueue, type OperationQueue } from './queue/queue.ts';
import { registerFolder } from './rollouts/start/register-folder.ts';
import { watchControlPlane } from './watch-control-plane.ts';

export type Foundation = {
  readonly config: ControlPlaneConfig;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly catalog: Catalog;
  readonly sealer: Sealer;
  readonly lanes: readonly Lane[];
  readonly connections: ClusterConnections;
  readonly queue: OperationQueue;
  /** Names this process in leases. */
  readonly holder: string;
  readonly watch: ReturnType<typeof watchControlPlane>;
};

type FoundationDeps = { config: ControlPlaneConfig; log: Log; metrics: Metrics; lifecycle: Lifecycle };

/** @throws ConfigError, Fault queue_unavailable | queue_unsafe | queue_outdated | migration_invalid | catalog_unavailable | sealing_keys_mismatch */
export async function openFoundation({ config, log, metrics, lifecycle }: FoundationDeps): Promise<Foundation> {
  const sealer = createSealer(parseSealingKeys(config.sealingKeys));
  const lanes = await Promise.all([
    readLane('core', config.coreMigrations ?? ownFolder('core')),
    readLane('tenant', config.tenantMigrations ?? ownFolder('tenant')),
  ]);
  const address = parseAddress(config.catalogUrl);
  await checkCatalog(address);
  const { applied } = await migrateCatalog(address);
  if (applied.length > 0) log.info({ applied }, 'catalog migrated');
  const catalog = await lifecycle.add(
    'catalog',
    () =>
      openCatalog({ address, sessionsMax: config.catalogSessionsMax, applicationName: 'freehold-control-plane', log }),
    (it) => it.close(),
  );
  await seedPlans(catalog.db);
  await ensureSigningKeys(catalog.db, sealer, config.issuer);
  await checkSealingKeys(() => activeSigningKey(catalog.db, sealer, config.issuer));
  if (config.bootstrapOwnerKey !== undefined) await ensureBootstrapKey(catalog.db, sealer, config.bootstrapOwnerKey);
  for (const lane of lanes) await registerFolder(catalog.db, lane, log);
  const connections = await lifecycle.add(
    'cluster connections',
    () => {
      const bookkeeping = parseBookkeeping(config.migrationsTable);
      return connectClusters({ catalog: catalog.db, sealer, heads: createHeadLanes(catalog.db), bookkeeping, log });
    },
    (it) => it.close(),
  );
  const watch = watchControlPlane(metrics, {
    countDrifted: () => countDrifted(catalog.db),
    shares: connections.shares,
  });
  const queue = await lifecycle.add(
    'queue',
    () => createQueue({ url: config.queueUrl, log, onFatal: endAtOnce(log), observe: watch.queue }),
    (it) => it.close(),
  );
  const holder = `${hostname()}/${process.pid}/${randomBytes(4).toString('hex')}`;
  return { config, log, metrics, catalog, sealer, lanes, connections, queue, holder, watch };
}

/** Says in a sentence what is the commonest of all mistakes: the catalog is away, or its URL is wrong. */
async function checkCatalog(address: PostgresAddress): Promise<void> {
  try {
    const session = await openSession(address, { applicationName: 'freehold-control-plane' });
    await session.close();
  } catch (cause) {
    if (!(cause instanceof ConnectionLostError)) throw cause;
    const text = 'The catalog database does not answer or refuses the login. Check it, and FREEHOLD_CATALOG_URL.';
    throw catalogFault('catalog_unavailable', text, { cause, internal: cause.message });
  }
}

/** With other keys than those that sealed what is stored, nothing would work, and new secrets would be sealed apart from the old. */
async function checkSealingKeys(open: () => Promise<unknown>): Promise<void> {
  try {
    await open();
  } catch (cause) {
    if (!isFault(cause)) throw cause;
    const text =
      'FREEHOLD_SEALING_KEYS does not hold the key that sealed the secrets of this catalog. Give the old key too.';
    throw catalogFault('sealing_keys_mismatch', text, { cause, internal: cause.message });
  }
}

/** Synchronous on purpose: see QueueDeps.onFatal. */
function endAtOnce(log: Log): (error: Error) => void {
  return (err) => {
    log.fatal({ err }, 'the queue was migrated under this process; it ends now and must be started again');
    process.exit(1);
  };
}

function ownFolder(lane: 'core' | 'tenant'): string {
  return fileURLToPath(new URL(`../migrations/${lane}`, import.meta.url));
}
