// Owns every setting of the control plane. The table in README.md's reference is generated from this file.
import { z } from 'zod';
import { type Config, defineConfig, setting } from '../platform/config.ts';
import { parseAddress } from '../platform/postgres/address.ts';
import { processSettings } from '../platform/process-settings.ts';
import { parseSealingKeys } from '../platform/sealing.ts';
import { parseBookkeeping } from './postgres/bookkeeping-table.ts';

export const controlPlaneConfig = defineConfig({
  FREEHOLD_CATALOG_URL: {
    schema: setting.readableBy('URL (postgres, postgresql)', parseAddress),
    secret: true,
    help: 'The catalog database, as its owner; migrated at start.',
  },
  FREEHOLD_QUEUE_URL: {
    schema: setting.readableBy('URL (postgres, postgresql, redis, rediss)', readQueueUrl),
    secret: true,
    help: 'Where BullMQ keeps its jobs: a PostgreSQL database of its own (never on a tenant cluster), or a Redis that evicts nothing.',
  },
  FREEHOLD_SEALING_KEYS: {
    schema: setting.readableBy('text', parseSealingKeys),
    secret: true,
    help: 'id:base64key[,id2:base64key2]: 32-byte keys that seal stored secrets; the first is the current one.',
  },
  FREEHOLD_HOST: { schema: setting.text(), default: '127.0.0.1', help: 'Address the admin API listens on.' },
  FREEHOLD_PORT: { schema: setting.port(), default: 7700, help: 'Port of the admin API.' },
  FREEHOLD_METRICS_PORT: { schema: setting.port(), default: 7701, help: 'Port of /metrics, apart from the API.' },
  FREEHOLD_ROLES: {
    schema: z
      .string()
      .transform((text) => text.split(',').map((word) => word.trim()))
      .pipe(z.array(z.enum(['api', 'worker', 'reconcilers'], 'must name api, worker or reconcilers')).min(1))
      .describe('list of api, worker, reconcilers'),
    default: 'api,worker,reconcilers',
    help: 'What this process does; several processes may share or split the roles.',
  },
  FREEHOLD_ISSUER: {
    schema: setting.text(),
    default: 'https://freehold.local',
    help: 'The iss of runtime tokens; the same for the runtime.',
  },
  FREEHOLD_CORE_MIGRATIONS: {
    schema: setting.text().optional(),
    help: "Folder of the core lane; Freehold's own when unset.",
  },
  FREEHOLD_TENANT_MIGRATIONS: {
    schema: setting.text().optional(),
    help: "Folder of the product's lane; the sample product when unset.",
  },
  FREEHOLD_MIGRATIONS_TABLE: {
    schema: setting.readableBy('table or schema.table', parseBookkeeping),
    default: 'public.pgmigrations',
    help: "node-pg-migrate's table of the tenant lane in each tenant database; moved there by the next migration when it is changed.",
  },
  FREEHOLD_FOREGROUND_CONCURRENCY: {
    schema: setting.count(1, 100),
    default: 8,
    help: 'Operations somebody waits for, run at once by this process.',
  },
  FREEHOLD_BACKGROUND_CONCURRENCY: {
    schema: setting.count(1, 100),
    default: 2,
    help: 'Operations of the background (warm stock, clean-up), run at once by this process.',
  },
  FREEHOLD_FLEET_CONCURRENCY: {
    schema: setting.count(1, 256),
    default: 12,
    help: 'Databases that rollouts migrate at once in this process, on workers of their own; rounded up to twelves.',
  },
  FREEHOLD_CATALOG_SESSIONS_MAX: {
    schema: setting.count(2, 200),
    default: 20,
    help: 'Sessions this process opens to the catalog.',
  },
  FREEHOLD_DELETE_GRACE_SEC: {
    schema: setting.count(0, 31_536_000),
    default: 2_592_000,
    help: 'How long a deleted tenant can be undeleted before it is purged, in seconds.',
  },
  FREEHOLD_BOOTSTRAP_OWNER_KEY: {
    schema: setting.text().optional(),
    secret: true,
    help: 'An owner API key that exists after start, for the first sign-in; make one with `freehold keys generate`.',
  },
  FREEHOLD_REQUEST_DEADLINE_MS: {
    schema: setting.ms(1_000, 600_000),
    default: 90_000,
    help: 'Longest time of one admin request.',
  },
  ...processSettings,
});

export type ControlPlaneConfig = Config<typeof controlPlaneConfig>;

function readQueueUrl(url: string): void {
  if (!/^rediss?:/.test(url)) parseAddress(url);
  else if (!URL.canParse(url)) throw new TypeError('not a URL of the form redis://host:port');
}
