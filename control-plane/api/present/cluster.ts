// Owns how a cluster looks to a client of the admin API: never with a credential.
import { z } from '@hono/zod-openapi';
import type { ClusterRow } from '../../../catalog/clusters.ts';
import type { ShareRow } from '../../../catalog/connection-shares.ts';
import { timeOrNull, timeSchema } from './shared-shapes.ts';

export const clusterSchema = z
  .object({
    id: z.string().openapi({ example: 'cls_01KAN3W2V8Q4R5S6T7V8W9X0YZ' }),
    name: z.string(),
    region: z.string(),
    tier: z.enum(['shared', 'dedicated']),
    state: z
      .enum(['active', 'draining', 'retired'])
      .openapi({ description: 'Only an active cluster gets new tenants.' }),
    host: z.string(),
    port: z.int(),
    tls: z.enum(['disable', 'require', 'verify-full']),
    pooler_url: z
      .string()
      .nullable()
      .openapi({ description: 'By which runtimes reach their tenants; null: the server itself.' }),
    server_version_num: z.int().openapi({ example: 180004 }),
    capabilities: z
      .record(z.string(), z.unknown())
      .openapi({ description: 'What holds on this server, as probed at registration.' }),
    capacity: z.int().openapi({ description: 'How many databases it may hold, warm ones included.' }),
    databases_used: z.int(),
    databases_warm: z.int().openapi({ description: 'Of these, in stock: ready to be claimed.' }),
    connection_budget: z.int().openapi({ description: 'Sessions all processes of Freehold together may have open.' }),
    connections_granted: z.int().openapi({ description: 'Of the budget, in the hands of processes; see `shares`.' }),
    connections_open: z.int().openapi({ description: 'Open when their holders last told, seconds ago.' }),
    warm_min: z.int(),
    warm_max: z.int(),
    health: z.object({
      state: z.enum(['healthy', 'unreachable']),
      detail: z.record(z.string(), z.unknown()),
      checked_at: timeSchema.nullable(),
    }),
    created_at: timeSchema,
    updated_at: timeSchema,
    version: z.int(),
  })
  .openapi('Cluster');

export type Cluster = z.output<typeof clusterSchema>;

export const clusterWithSharesSchema = clusterSchema
  .extend({
    shares: z
      .array(
        z.object({
          holder_id: z.string().openapi({ description: 'A runtime (rti_…) or a control-plane process (cpp_…).' }),
          host: z.string(),
          pid: z.int(),
          granted: z.int().openapi({ description: 'Sessions it may have open.' }),
          open: z.int(),
          needed: z.int().openapi({ description: 'Sessions it had work for.' }),
          live: z.boolean().openapi({
            description:
              'False: silent for longer than its lease; its share is freed once the cluster shows no session of it.',
          }),
          since: timeSchema,
        }),
      )
      .openapi({ description: 'Who has which part of the connection budget, the oldest first.' }),
  })
  .openapi('ClusterWithShares');

export type ClusterWithShares = z.output<typeof clusterWithSharesSchema>;

export function presentClusterWithShares(row: ClusterRow, shares: readonly ShareRow[]): ClusterWithShares {
  return {
    ...presentCluster(row),
    shares: shares.map(({ holder_id, host, pid, granted, open, needed, live, taken_at }) => {
      return { holder_id, host, pid, granted, open, needed, live, since: taken_at.toISOString() };
    }),
  };
}

export function presentCluster(row: ClusterRow): Cluster {
  return {
    id: row.id,
    name: row.name,
    region: row.region,
    tier: row.tier,
    state: row.state,
    host: row.host,
    port: row.port,
    tls: row.tls,
    pooler_url: row.pooler_url,
    server_version_num: row.server_version_num,
    capabilities: row.capabilities,
    capacity: row.capacity,
    databases_used: row.databases_used,
    databases_warm: row.databases_warm,
    connection_budget: row.connection_budget,
    connections_granted: row.connections_granted,
    connections_open: row.connections_open,
    warm_min: row.warm_min,
    warm_max: row.warm_max,
    health: { state: row.health, detail: row.health_detail, checked_at: timeOrNull(row.health_checked_at) },
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    version: row.version,
  };
}
