// Owns how a target group looks to a client of the admin API.
import { z } from '@hono/zod-openapi';
import { maintenanceWindowSchema } from '../../../catalog/maintenance-window.ts';
import { selectionSchema } from '../../../catalog/rollout-policy.ts';
import type { TargetGroupRow } from '../../../catalog/target-groups.ts';
import { timeSchema } from './shared-shapes.ts';

export const targetGroupSchema = z
  .object({
    name: z.string().openapi({ example: 'pilots' }),
    description: z.string(),
    selection: selectionSchema,
    position: z.int().openapi({ description: 'The order in which groups become waves; the lowest first.' }),
    maintenance_window: maintenanceWindowSchema.nullable().openapi({
      description: 'When its tenants may be touched, whatever the rollout. Null: always.',
    }),
    approval: z
      .boolean()
      .openapi({ description: 'Every rollout that touches one of its tenants needs a second person.' }),
    created_by: z.string(),
    created_at: timeSchema,
    updated_at: timeSchema,
    version: z.int(),
  })
  .openapi('TargetGroup');

export type TargetGroup = z.output<typeof targetGroupSchema>;

export function presentTargetGroup(row: TargetGroupRow): TargetGroup {
  return {
    name: row.name,
    description: row.description,
    selection: row.selection,
    position: row.position,
    maintenance_window: row.maintenance_window,
    approval: row.approval,
    created_by: row.created_by,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    version: row.version,
  };
}
