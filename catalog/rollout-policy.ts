// Owns the shapes of a rollout as a person asks for it: whom it selects, in which waves, and what stops it. Stored as it was
// asked for, defaults filled in.
import { z } from 'zod';
import { idSchema } from './ids.ts';
import { maintenanceWindowSchema } from './maintenance-window.ts';

/** Without what PostgreSQL cannot store: NUL and lone surrogates. */
function storable(max: number) {
  return z
    .string()
    .min(1)
    .max(max)
    .refine((text) => !/[\0\p{Cs}]/u.test(text), 'must not contain NUL or half a surrogate pair');
}

const words = z.array(storable(200)).min(1).max(10_000);

/** Every member that is given must hold; within one member any value will do. Nothing given: every tenant. */
export const selectionSchema = z.strictObject({
  /** Each `name:value` or `name`. All of them must hold. */
  labels: words.optional(),
  plans: words.optional(),
  regions: words.optional(),
  /** Ids or names. */
  clusters: words.optional(),
  tiers: z
    .array(z.enum(['shared', 'dedicated']))
    .min(1)
    .optional(),
  slugs: words.optional(),
  /** An SQL-like condition over slug, plan, region, cluster, tier, state, version, created_at, label.<name>. */
  filter: storable(2_000).optional(),
  /** The name of a saved group; its selection must hold too. */
  group: storable(63).optional(),
  /** Exactly these databases: what a rollback or a retry runs over. */
  databases: z.array(idSchema('database')).min(1).max(100_000).optional(),
});
export type Selection = z.output<typeof selectionSchema>;

/** '5' tenants or '10%' of the selection; at least one. */
export const waveSizeSchema = z
  .string()
  .regex(/^(\d{1,6}|(100|\d{1,2}(\.\d+)?)%)$/, 'must be a number of tenants or a percentage');

const durationMs = z
  .int()
  .min(0)
  .max(30 * 86_400_000);

/** '5' members, '10%' of all, or the smaller of the two: '10% max 5'. A percentage is rounded up. */
const failuresSchema = z
  .string()
  .regex(/^(\d{1,6}|(100|\d{1,2}(\.\d+)?)%( max \d{1,6})?)$/, "must be a number, a percentage, or both: '5% max 10'");

export const waveSchema = z.strictObject({
  name: storable(63).optional(),
  /** Exactly one of the two: so many, or the members of a saved group. */
  size: waveSizeSchema.optional(),
  group: storable(63).optional(),
  bake_ms: durationMs.default(0),
  concurrency: z.int().min(1).max(256).optional(),
  window: maintenanceWindowSchema.optional(),
});

/** Each rule halts the rollout when it is broken. Null: the rule does not apply. */
export const budgetSchema = z.strictObject({
  /** Failed members tolerated: a number or a percentage of all members. In-flight work never exceeds what is left + 1. */
  failures: failuresSchema.default('5% max 10'),
  /** Sum of the time one member waited for locks. */
  lock_wait_ms: z.int().min(0).nullable().default(null),
  /** A member may take so many times the median of the first wave (and at least 1 s more than it). */
  duration_factor: z.number().min(1).nullable().default(null),
  /** From the runtimes' own figures for tenants at the target version, against those at the older ones. */
  error_rate: z.number().min(0).max(1).nullable().default(null),
  p99_factor: z.number().min(1).nullable().default(null),
  /** Below so many requests in the window the runtimes' figures say nothing. */
  requests_min: z.int().min(1).default(20),
});
export type Budget = z.output<typeof budgetSchema>;

export const rolloutPolicySchema = z.strictObject({
  /** What is left after the last wave becomes one more. Default: canary of 1, then 10 %, then the rest. */
  waves: z.array(waveSchema).max(50).default([]),
  budget: budgetSchema.prefault({}),
  /** continue: a failed tenant is quarantined, the others go on. stop: the first failure halts. */
  on_failure: z.enum(['continue', 'stop']).default('continue'),
  concurrency: z.int().min(1).max(256).default(12),
  concurrency_per_cluster: z.int().min(1).max(64).default(12),
  /** An ALTER waits so long for its lock, and with it every reader behind it (M01). */
  lock_timeout_ms: z.int().min(10).max(60_000).default(1_000),
  /** Tries after a lock time-out, with jittered pauses. */
  lock_retries: z.int().min(0).max(100).default(5),
  statement_timeout_ms: z.int().min(100).max(86_400_000).default(300_000),
  /** Must return exactly one row with one true value in each migrated database, as its read-only login. */
  probe: storable(10_000).nullable().default(null),
  /** A tenant asked for at a runtime before its wave is migrated first, once the first wave has passed. */
  on_demand: z.boolean().default(false),
});
export type RolloutPolicy = z.output<typeof rolloutPolicySchema>;

export const rolloutStates = [
  'awaiting-approval',
  'running',
  'paused',
  'halted',
  'aborted',
  'succeeded',
  'finished',
] as const;
/** succeeded: every member done. finished: ended with quarantined or skipped ones. */
export type RolloutState = (typeof rolloutStates)[number];
export const unfinishedRolloutStates = [
  'awaiting-approval',
  'running',
  'paused',
  'halted',
] as const satisfies RolloutState[];

export const memberStates = ['pending', 'running', 'done', 'noop', 'failed', 'skipped', 'gone'] as const;
export type MemberState = (typeof memberStates)[number];

/** Who stands in the way: another session of the same database, or the node-pg-migrate command line. */
export type Blocker = { pid: number; role: string; application: string; state: string; ageMs: number };

/** What one database answered. `state_of_database`: unchanged, or which files are there and which statement was last. */
export type MemberError = {
  code: string;
  message: string;
  sqlstate?: string;
  file?: string;
  line?: number;
  /** The character of `statement`, from 1. */
  position?: number;
  statement?: string;
  detail?: string;
  hint?: string;
  blocker?: Blocker;
  state_of_database: 'unchanged' | 'partly-migrated' | 'unknown';
  applied?: string[];
  retryable: boolean;
};

export type Verdict = { rule: string; message: string; evidence: Record<string, unknown> };

/** Statement of an exec, name of a release: text of a request as it may be stored. */
export const statementSchema = storable(100_000);
export const releaseNameSchema = storable(100);
