// Owns how an audit entry looks to a client of the admin API.
import { z } from '@hono/zod-openapi';
import type { AuditRow } from '../../../catalog/audit.ts';
import { timeSchema } from './shared-shapes.ts';

export const auditEntrySchema = z
  .object({
    seq: z.string().openapi({ description: 'Grows with every entry; a decimal number.', example: '42' }),
    at: timeSchema,
    actor: z.string(),
    actor_role: z.string().nullable(),
    action: z.string().openapi({ example: 'tenant.create' }),
    target_type: z.string(),
    target_id: z.string().nullable(),
    request_id: z.string().nullable(),
    operation_id: z.string().nullable(),
    detail: z.record(z.string(), z.unknown()),
  })
  .openapi('AuditEntry');

export type AuditEntryView = z.output<typeof auditEntrySchema>;

export function presentAuditEntry(row: AuditRow): AuditEntryView {
  return {
    seq: row.seq,
    at: row.at.toISOString(),
    actor: row.actor,
    actor_role: row.actor_role,
    action: row.action,
    target_type: row.target_type,
    target_id: row.target_id,
    request_id: row.request_id,
    operation_id: row.operation_id,
    detail: row.detail,
  };
}
