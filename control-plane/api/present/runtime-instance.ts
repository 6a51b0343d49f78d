// Owns how a runtime process looks to a client of the admin API.
import { z } from '@hono/zod-openapi';
import type { RuntimeInstanceRow } from '../../../catalog/runtime-instances.ts';
import { timeSchema } from './shared-shapes.ts';

export const runtimeInstanceSchema = z
  .object({
    id: z.string(),
    host: z.string(),
    pid: z.int(),
    version: z.string(),
    live: z.boolean().openapi({ description: 'Has given a sign of life within 15 seconds.' }),
    started_at: timeSchema,
    heartbeat_at: timeSchema,
    stats: z.record(z.string(), z.unknown()),
  })
  .openapi('RuntimeInstance');

export type RuntimeInstance = z.output<typeof runtimeInstanceSchema>;

export function presentRuntimeInstance(row: RuntimeInstanceRow): RuntimeInstance {
  return {
    id: row.id,
    host: row.host,
    pid: row.pid,
    version: row.version,
    live: row.live,
    started_at: row.started_at.toISOString(),
    heartbeat_at: row.heartbeat_at.toISOString(),
    stats: row.stats,
  };
}
