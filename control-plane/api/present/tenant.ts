// Owns how a tenant looks to a client of the admin API.
import { z } from '@hono/zod-openapi';
import { tenantStates } from '../../../catalog/tenant-states.ts';
import type { TenantWithDatabase } from '../../../catalog/tenants.ts';
import { laneVersionsSchema, timeOrNull, timeSchema } from './shared-shapes.ts';

export const tenantSchema = z
  .object({
    id: z.string().openapi({ example: 'tnt_01KAN3W2V8Q4R5S6T7V8W9X0YZ' }),
    slug: z.string().openapi({ example: 'acme' }),
    name: z.string().openapi({ example: 'Acme Ltd' }),
    region: z.string(),
    tier: z.enum(['shared', 'dedicated']),
    plan: z.string(),
    state: z.enum(tenantStates).openapi({ description: 'Only an active tenant is served.' }),
    labels: z.record(z.string(), z.string()),
    epoch: z.int().openapi({ description: 'Tokens minted under a lower one are refused.' }),
    database: z
      .object({ id: z.string(), cluster_id: z.string(), lanes: laneVersionsSchema })
      .nullable()
      .openapi({ description: 'Null until one is claimed or created, and after the purge.' }),
    created_at: timeSchema,
    updated_at: timeSchema,
    deleted_at: timeSchema.nullable(),
    purge_after: timeSchema.nullable().openapi({ description: 'Until then a deleted tenant can be undeleted.' }),
    version: z.int().openapi({ description: 'The ETag of the tenant, without quotes.' }),
  })
  .openapi('Tenant');

export type Tenant = z.output<typeof tenantSchema>;

export function presentTenant(row: TenantWithDatabase): Tenant {
  return {
    id: row.id,
    slug: row.slug,
    name: row.name,
    region: row.region,
    tier: row.tier,
    plan: row.plan_id,
    state: row.state,
    labels: row.labels,
    epoch: row.epoch,
    database:
      row.database_id === null || row.cluster_id === null
        ? null
        : { id: row.database_id, cluster_id: row.cluster_id, lanes: row.lanes ?? {} },
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    deleted_at: timeOrNull(row.deleted_at),
    purge_after: timeOrNull(row.purge_after),
    version: row.version,
  };
}
