// Owns how a rollout looks to a client of the admin API: in a list, while it is followed (waves and clusters with their members
// by state), and in full with what was asked for.
import { z } from '@hono/zod-openapi';
import { maintenanceWindowSchema } from '../../../catalog/maintenance-window.ts';
import type { AdminRole } from '../../../catalog/roles.ts';
import { rolloutPolicySchema, rolloutStates, selectionSchema } from '../../../catalog/rollout-policy.ts';
import type { RolloutProgress } from '../../../catalog/rollout-progress.ts';
import type { MemberCounts } from '../../../catalog/rollout-waves.ts';
import type { NamedRollout, RolloutRow } from '../../../catalog/rollouts.ts';
import { timeOrNull, timeSchema } from './shared-shapes.ts';

export const rolloutKinds = ['migrate', 'rollback', 'exec'] as const;

const count = z.int();
const countsSchema = z
  .object({ pending: count, running: count, done: count, noop: count, failed: count, skipped: count, gone: count })
  .openapi('RolloutCounts', { description: 'Members by state.' });

const verdictSchema = z
  .object({ rule: z.string(), message: z.string(), evidence: z.record(z.string(), z.unknown()) })
  .openapi('RolloutVerdict', { description: 'Why it halted or was aborted: the rule that fired, and by what.' });

export const rolloutSchema = z
  .object({
    id: z.string().openapi({ example: 'rlt_01KAN3W2V8Q4R5S6T7V8W9X0YZ' }),
    kind: z.enum(rolloutKinds),
    lane: z.string(),
    release_id: z.string().nullable().openapi({ description: 'Where the members end; null for an exec.' }),
    release: z.string().nullable().openapi({ description: 'Its name.' }),
    state: z.enum(rolloutStates).openapi({
      description:
        'halted: the error budget was broken; resume or abort it. finished: ended with failed or skipped members. aborted, succeeded and finished are final; a finished one runs again for members that are retried.',
    }),
    moves_head: z.boolean().openapi({ description: 'New databases get its release once the first wave has passed.' }),
    verdict: verdictSchema.nullable(),
    approval: z.object({ required: z.boolean(), by: z.string().nullable(), at: timeSchema.nullable() }),
    members: z.int(),
    counts: countsSchema,
    actor: z.string(),
    request_id: z.string().nullable(),
    created_at: timeSchema,
    started_at: timeSchema.nullable(),
    finished_at: timeSchema.nullable(),
    version: z.int(),
  })
  .openapi('Rollout');

const waveSchema = z.object({
  position: z.int(),
  name: z.string(),
  group: z.string().nullable(),
  state: z.enum(['waiting', 'running', 'baking', 'done']),
  bake_ms: z.int(),
  concurrency: z.int().nullable(),
  maintenance_window: maintenanceWindowSchema.nullable(),
  counts: countsSchema,
  started_at: timeSchema.nullable(),
  ended_at: timeSchema.nullable().openapi({ description: 'All members have ended; the bake time runs from here.' }),
  finished_at: timeSchema.nullable(),
});

const clusterSchema = z.object({
  id: z.string(),
  name: z.string(),
  reachable: z.boolean().openapi({ description: 'Members of a cluster that is away wait for it.' }),
  counts: countsSchema,
});

export const rolloutProgressSchema = rolloutSchema
  .extend({ waves: z.array(waveSchema), clusters: z.array(clusterSchema) })
  .openapi('RolloutProgress');

export const rolloutInFullSchema = rolloutProgressSchema
  .extend({
    selection: selectionSchema,
    policy: rolloutPolicySchema,
    statement: z.string().nullable().openapi({ description: 'Of an exec. For operators, DBAs and owners only.' }),
  })
  .openapi('RolloutInFull');

export type Rollout = z.output<typeof rolloutSchema>;
export type RolloutView = z.output<typeof rolloutProgressSchema>;
export type RolloutInFull = z.output<typeof rolloutInFullSchema>;

/** A finished one may still run again for members that are retried. */
export function isEnded(state: RolloutRow['state']): boolean {
  return state === 'aborted' || state === 'succeeded' || state === 'finished';
}

export function presentRollout(row: NamedRollout, counts: MemberCounts): Rollout {
  return {
    id: row.id,
    kind: row.kind,
    lane: row.lane,
    release_id: row.release_id,
    release: row.release_name,
    state: row.state,
    moves_head: row.moves_head,
    verdict: row.verdict,
    approval: { required: row.approval_required, by: row.approved_by, at: timeOrNull(row.approved_at) },
    members: Object.values(counts).reduce((sum, each) => sum + each, 0),
    counts,
    actor: row.actor,
    request_id: row.request_id,
    created_at: row.created_at.toISOString(),
    started_at: timeOrNull(row.started_at),
    finished_at: timeOrNull(row.finished_at),
    version: row.version,
  };
}

export function presentProgress(row: NamedRollout, { counts, waves, clusters }: RolloutProgress): RolloutView {
  return {
    ...presentRollout(row, counts),
    waves: waves.map((wave) => ({
      position: wave.position,
      name: wave.name,
      group: wave.group_name,
      state: wave.state,
      bake_ms: Number(wave.bake_ms),
      concurrency: wave.concurrency,
      maintenance_window: wave.maintenance_window,
      counts: wave.counts,
      started_at: timeOrNull(wave.started_at),
      ended_at: timeOrNull(wave.ended_at),
      finished_at: timeOrNull(wave.finished_at),
    })),
    clusters,
  };
}

const seesStatement: ReadonlySet<string> = new Set<AdminRole>(['operator', 'dba', 'owner']);

export function presentInFull(
  row: NamedRollout,
  progress: RolloutProgress,
  reader: AdminRole | 'system',
): RolloutInFull {
  const statement = seesStatement.has(reader) ? row.statement : null;
  return { ...presentProgress(row, progress), selection: row.selection, policy: row.policy, statement };
}
