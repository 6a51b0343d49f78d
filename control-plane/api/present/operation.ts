// Owns how an operation looks to a client of the admin API. What went wrong inside (hosts, SQL) is shown only to those who can
// do something about it; everybody sees the code and the public sentence.
import { z } from '@hono/zod-openapi';
import type { OperationRow, OperationStepRow } from '../../../catalog/operations.ts';
import type { AdminRole } from '../../../catalog/roles.ts';
import type { OperationError } from '../../../catalog/schema.ts';
import { timeOrNull, timeSchema } from './shared-shapes.ts';

export const operationStates = ['pending', 'running', 'undoing', 'succeeded', 'failed', 'cancelled'] as const;

const operationErrorSchema = z.object({
  code: z.string(),
  message: z.string(),
  step: z.string().optional(),
  retryable: z.boolean(),
  internal: z.string().optional().openapi({ description: 'For operators, DBAs and owners only.' }),
});

const stepSchema = z.object({
  name: z.string(),
  state: z.enum(['intended', 'done', 'undone']),
  attempts: z.int(),
  started_at: timeSchema,
  finished_at: timeSchema.nullable(),
  error: operationErrorSchema.nullable(),
});

export const operationSchema = z
  .object({
    id: z.string().openapi({ example: 'opr_01KAN3W2V8Q4R5S6T7V8W9X0YZ' }),
    kind: z.string().openapi({ example: 'provision-tenant' }),
    state: z
      .enum(operationStates)
      .openapi({ description: 'succeeded, failed and cancelled are final; failed may be retried.' }),
    tenant_id: z.string().nullable(),
    database_id: z.string().nullable(),
    lane: z.enum(['foreground', 'background']),
    steps_done: z.int(),
    steps_total: z.int(),
    cancel_requested: z.boolean(),
    attempt: z.int().openapi({ description: 'Failures since the last progress.' }),
    next_attempt_at: timeSchema,
    error: operationErrorSchema.nullable(),
    actor: z.string(),
    request_id: z.string().nullable(),
    created_at: timeSchema,
    started_at: timeSchema.nullable(),
    finished_at: timeSchema.nullable(),
  })
  .openapi('Operation');

export const operationWithStepsSchema = operationSchema
  .extend({ steps: z.array(stepSchema) })
  .openapi('OperationWithSteps');

export type Operation = z.output<typeof operationSchema>;
export type OperationWithSteps = z.output<typeof operationWithStepsSchema>;

export function isFinal(state: OperationRow['state']): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

export function presentOperation(row: OperationRow, reader: AdminRole | 'system'): Operation {
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    tenant_id: row.tenant_id,
    database_id: row.database_id,
    lane: row.lane,
    steps_done: row.steps_done,
    steps_total: row.steps_total,
    cancel_requested: row.cancel_requested,
    attempt: row.attempt,
    next_attempt_at: row.next_attempt_at.toISOString(),
    error: presentError(row.error, reader),
    actor: row.actor,
    request_id: row.request_id,
    created_at: row.created_at.toISOString(),
    started_at: timeOrNull(row.started_at),
    finished_at: timeOrNull(row.finished_at),
  };
}

export function presentOperationWithSteps(
  row: OperationRow,
  steps: readonly OperationStepRow[],
  reader: AdminRole | 'system',
): OperationWithSteps {
  return {
    ...presentOperation(row, reader),
    steps: steps.map((step) => ({
      name: step.name,
      state: step.state,
      attempts: step.attempts,
      started_at: step.intended_at.toISOString(),
      finished_at: timeOrNull(step.finished_at),
      error: presentError(step.error, reader),
    })),
  };
}

const seesInternals: ReadonlySet<string> = new Set<AdminRole>(['operator', 'dba', 'owner']);

function presentError(error: OperationError | null, reader: AdminRole | 'system'): Operation['error'] {
  if (error === null) return null;
  const { code, message, step, internal, retryable } = error;
  return {
    code,
    message,
    retryable,
    ...(step !== undefined && { step }),
    ...(internal !== undefined && seesInternals.has(reader) && { internal }),
  };
}
