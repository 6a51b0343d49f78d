// Owns the shape of a plan's limits: what a tenant of the plan may use, with units in the names.
import { z } from 'zod';

export const planLimitsSchema = z.strictObject({
  /** PostgreSQL's CONNECTION LIMIT of each application login; the runtime stays below it by its own limit. */
  login_connections_max: z.int().min(2).max(1000).default(20),
  /** Sessions one runtime process opens for one tenant at the same time. */
  runtime_sessions_max: z.int().min(1).max(100).default(4),
  /** Requests that may wait in one runtime process for those sessions; who comes beyond gets 429. */
  requests_waiting_max: z.int().min(0).max(10_000).default(100),
  /** How long an unused session of the tenant is kept; null: as the runtime is configured. */
  session_idle_ms: z.int().min(1000).max(3_600_000).nullable().default(null),
  /** Open a session when the tenant becomes ready, before anybody asks? */
  warm_up: z.boolean().default(true),
  /** Over all runtimes where they share a store, else for each of them; null: no limit. */
  tenant_requests_per_minute: z.int().min(1).max(1_000_000_000).nullable().default(null),
  /** The same for one subject of the tenant's tokens, and for one address. */
  subject_requests_per_minute: z.int().min(1).max(1_000_000_000).nullable().default(null),
  ip_requests_per_minute: z.int().min(1).max(1_000_000_000).nullable().default(null),
  /** How long one statement may run before the runtime cancels it. */
  statement_timeout_ms: z.int().min(100).max(600_000).default(15_000),
  /** How long one transaction may stay open; the reaper ends what outlives it, whatever the login has set. */
  transaction_timeout_ms: z.int().min(1000).max(3_600_000).default(120_000),
  /** Largest result of one request, counted in bytes of text. */
  result_bytes_max: z.int().min(1024).max(1_073_741_824).default(10_485_760),
  /** May tokens with the sql scope send SQL of their own? */
  sql_api: z.boolean().default(false),
  /** temp_file_limit of the application logins, where the cluster lets us set it. */
  temp_file_kib_max: z.int().min(1024).default(1_048_576),
});

export type PlanLimits = z.infer<typeof planLimitsSchema>;

/** The plans a new installation starts with. */
export const defaultPlans: readonly { id: string; title: string; limits: PlanLimits }[] = [
  {
    id: 'starter',
    title: 'Starter',
    limits: planLimitsSchema.parse({
      runtime_sessions_max: 2,
      statement_timeout_ms: 10_000,
      requests_waiting_max: 50,
      tenant_requests_per_minute: 6_000,
    }),
  },
  { id: 'team', title: 'Team', limits: planLimitsSchema.parse({ sql_api: true }) },
  {
    id: 'enterprise',
    title: 'Enterprise',
    limits: planLimitsSchema.parse({
      sql_api: true,
      runtime_sessions_max: 10,
      login_connections_max: 100,
      statement_timeout_ms: 60_000,
    }),
  },
];
