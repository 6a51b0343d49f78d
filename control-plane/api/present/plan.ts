// Owns how a plan looks to a client of the admin API.
import { z } from '@hono/zod-openapi';
import { planLimitsSchema } from '../../../catalog/plan-limits.ts';
import type { PlanRow } from '../../../catalog/plans.ts';
import { timeSchema } from './shared-shapes.ts';

export const planSchema = z
  .object({
    id: z.string().openapi({ example: 'team' }),
    title: z.string(),
    limits: planLimitsSchema,
    tenants_max: z.int().nullable().openapi({ description: 'How many tenants may hold it; null means any number.' }),
    state: z.enum(['active', 'retired']),
    created_at: timeSchema,
    updated_at: timeSchema,
    version: z.int(),
  })
  .openapi('Plan');

export type Plan = z.output<typeof planSchema>;

export function presentPlan(row: PlanRow): Plan {
  return {
    id: row.id,
    title: row.title,
    limits: row.limits,
    tenants_max: row.tenants_max,
    state: row.state,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    version: row.version,
  };
}
