// Owns how a member of a rollout looks: what came of one database. The server's own words (detail, statement, who stood in the
// way) may hold a tenant's data and names of the inside: only those see them who can do something about it.
import { z } from '@hono/zod-openapi';
import type { AdminRole } from '../../../catalog/roles.ts';
import { type MemberError, memberStates } from '../../../catalog/rollout-policy.ts';
import type { NamedMember } from '../../../catalog/rollout-progress.ts';
import { timeOrNull, timeSchema } from './shared-shapes.ts';

const blockerSchema = z.object({
  pid: z.int(),
  role: z.string(),
  application: z.string(),
  state: z.string(),
  ageMs: z.number(),
});

export const memberErrorSchema = z
  .object({
    code: z.string(),
    message: z.string(),
    sqlstate: z.string().optional(),
    file: z.string().optional(),
    line: z.int().optional(),
    position: z.int().optional().openapi({ description: 'The character of the statement, from 1.' }),
    state_of_database: z.enum(['unchanged', 'partly-migrated', 'unknown']),
    applied: z.array(z.string()).optional().openapi({ description: 'Files of this rollout that are in place.' }),
    retryable: z.boolean(),
    statement: z.string().optional().openapi({ description: 'For operators, DBAs and owners only, as what follows.' }),
    detail: z.string().optional(),
    hint: z.string().optional(),
    blocker: blockerSchema.optional(),
  })
  .openapi('RolloutMemberError');

export const rolloutMemberSchema = z
  .object({
    database_id: z.string(),
    tenant_id: z.string().nullable().openapi({ description: 'Null for a warm database.' }),
    slug: z.string().nullable(),
    cluster: z.object({ id: z.string(), name: z.string() }),
    wave: z.int(),
    state: z.enum(memberStates).openapi({
      description:
        'noop: it was there already. failed: quarantined until a retry. gone: its tenant was deleted meanwhile.',
    }),
    attempts: z.int(),
    from_version: z.string().nullable(),
    to_version: z.string().nullable(),
    duration_ms: z.int().nullable(),
    lock_wait_ms: z.int().nullable(),
    requested_at: timeSchema
      .nullable()
      .openapi({ description: 'A runtime was asked for this tenant before its wave.' }),
    next_attempt_at: timeSchema.nullable(),
    error: memberErrorSchema.nullable(),
    skip_reason: z.string().nullable(),
    started_at: timeSchema.nullable(),
    finished_at: timeSchema.nullable(),
  })
  .openapi('RolloutMember');

export type RolloutMember = z.output<typeof rolloutMemberSchema>;

export function presentMember(row: NamedMember, reader: AdminRole | 'system'): RolloutMember {
  return {
    database_id: row.database_id,
    tenant_id: row.tenant_id,
    slug: row.slug,
    cluster: { id: row.cluster_id, name: row.cluster_name },
    wave: row.wave,
    state: row.state,
    attempts: row.attempts,
    from_version: row.from_version,
    to_version: row.to_version,
    duration_ms: row.duration_ms,
    lock_wait_ms: row.lock_wait_ms,
    requested_at: timeOrNull(row.requested_at),
    next_attempt_at: row.state === 'pending' && row.attempts > 0 ? row.next_attempt_at.toISOString() : null,
    error: presentMemberError(row.error, reader),
    skip_reason: row.skip_reason,
    started_at: timeOrNull(row.started_at),
    finished_at: timeOrNull(row.finished_at),
  };
}

const seesInternals: ReadonlySet<string> = new Set<AdminRole>(['operator', 'dba', 'owner']);

export function presentMemberError(error: MemberError | null, reader: AdminRole | 'system'): RolloutMember['error'] {
  if (error === null) return null;
  const { statement: _s, detail: _d, hint: _h, blocker: _b, ...seen } = error;
  return seesInternals.has(reader) ? error : seen;
}
