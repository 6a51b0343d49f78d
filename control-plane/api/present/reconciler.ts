// Owns how a reconciler looks to a client of the admin API: its last run and what that found.
import { z } from '@hono/zod-openapi';
import type { ReconcilerRow } from '../../../catalog/reconcilers.ts';
import { timeOrNull, timeSchema } from './shared-shapes.ts';

export const reconcilerSchema = z
  .object({
    name: z.string().openapi({ example: 'stuck-operations' }),
    running: z.boolean(),
    runs: z.int(),
    next_run_at: timeSchema,
    last_started_at: timeSchema.nullable(),
    last_finished_at: timeSchema.nullable(),
    last_result: z.record(z.string(), z.unknown()).nullable(),
    last_error: z.record(z.string(), z.unknown()).nullable(),
  })
  .openapi('Reconciler');

export type Reconciler = z.output<typeof reconcilerSchema>;

export function presentReconciler(row: ReconcilerRow, now: Date): Reconciler {
  return {
    name: row.name,
    running: row.lease_until !== null && row.lease_until > now,
    runs: row.runs,
    next_run_at: row.next_run_at.toISOString(),
    last_started_at: timeOrNull(row.last_started_at),
    last_finished_at: timeOrNull(row.last_finished_at),
    last_result: row.last_result,
    last_error: row.last_error,
  };
}
