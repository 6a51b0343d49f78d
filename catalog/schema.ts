// Owns the row types of the catalog, column by column as migrations/catalog makes them (schema.sql is generated from the same files).
import type { ColumnType, Generated } from 'kysely';
import type { GeneratedJson, Json, NullableTimestamp, Timestamp } from './column-types.ts';
import type { FleetTables } from './fleet-schema.ts';
import type {
  ApiKeyId,
  ClusterId,
  ControlPlaneProcessId,
  DatabaseId,
  EventId,
  OperationId,
  RolloutId,
  RuntimeInstanceId,
  TenantId,
} from './ids.ts';
import type { Login } from './names.ts';
import type { PlanLimits } from './plan-limits.ts';
import type { AdminRole } from './roles.ts';
import type { TenantState } from './tenant-states.ts';

export type Tier = 'shared' | 'dedicated';
export type ClusterState = 'active' | 'draining' | 'retired';
export type DatabaseState = 'creating' | 'warm' | 'claimed' | 'retiring' | 'dropped';
export type OperationState = 'pending' | 'running' | 'undoing' | 'succeeded' | 'failed' | 'cancelled';
export type OperationLane = 'foreground' | 'background';
/** Who has a share of a cluster's connections. */
export type ShareHolderId = RuntimeInstanceId | ControlPlaneProcessId;
export type LaneVersions = Record<string, { version: string; hash: string }>;
export type OperationError = { code: string; message: string; step?: string; internal?: string; retryable: boolean };

export type ClustersTable = {
  id: ClusterId;
  name: string;
  region: string;
  tier: Tier;
  state: ClusterState;
  host: string;
  port: number;
  tls: Generated<'disable' | 'require' | 'verify-full'>;
  ca: string | null;
  /** catalog/pooler-url.ts */
  pooler_url: string | null;
  provisioner_sealed: string;
  server_version_num: number;
  capabilities: Json<Record<string, unknown>>;
  capacity: number;
  databases_used: Generated<number>;
  connection_budget: number;
  warm_min: Generated<number>;
  warm_max: Generated<number>;
  health: Generated<'healthy' | 'unreachable'>;
  health_detail: GeneratedJson<Record<string, unknown>>;
  health_checked_at: NullableTimestamp;
  version: Generated<number>;
  created_at: Timestamp;
  updated_at: Timestamp;
};

export type PlansTable = {
  id: string;
  title: string;
  limits: Json<PlanLimits>;
  tenants_max: number | null;
  state: Generated<'active' | 'retired'>;
  version: Generated<number>;
  created_at: Timestamp;
  updated_at: Timestamp;
};

export type TenantsTable = {
  id: TenantId;
  slug: string;
  name: string;
  region: string;
  tier: Tier;
  plan_id: string;
  state: TenantState;
  deleted_from: 'active' | 'suspended' | 'failed' | null;
  epoch: Generated<number>;
  generation: Generated<number>;
  labels: GeneratedJson<Record<string, string>>;
  deleted_at: NullableTimestamp;
  purge_after: NullableTimestamp;
  version: Generated<number>;
  created_at: Timestamp;
  updated_at: Timestamp;
};

export type DatabasesTable = {
  id: DatabaseId;
  name: ColumnType<string, never, never>;
  cluster_id: ClusterId;
  state: DatabaseState;
  tenant_id: TenantId | null;
  active_login: Generated<'app_a' | 'app_b'>;
  lanes: GeneratedJson<LaneVersions>;
  fenced: Generated<boolean>;
  version: Generated<number>;
  created_at: Timestamp;
  claimed_at: NullableTimestamp;
  dropped_at: NullableTimestamp;
  /** Of a scratch database: until when somebody uses it. */
  scratch_until: NullableTimestamp;
  /** Of a scratch database that holds a tenant's data: the database that it is a copy of. */
  clone_of: Generated<DatabaseId | null>;
};

export type DatabaseSecretsTable = { database_id: DatabaseId; login: Login; sealed: string; created_at: Timestamp };

export type OperationsTable = {
  id: OperationId;
  kind: string;
  state: Generated<OperationState>;
  tenant_id: TenantId | null;
  database_id: DatabaseId | null;
  input: GeneratedJson<Record<string, unknown>>;
  facts: GeneratedJson<Record<string, unknown>>;
  lane: Generated<OperationLane>;
  steps_total: Generated<number>;
  steps_done: Generated<number>;
  cancel_requested: Generated<boolean>;
  lease_holder: string | null;
  lease_until: NullableTimestamp;
  fence: Generated<number>;
  attempt: Generated<number>;
  next_attempt_at: Timestamp;
  error: ColumnType<OperationError | null, string | null | undefined, string | null>;
  actor: string;
  request_id: string | null;
  created_at: Timestamp;
  started_at: NullableTimestamp;
  finished_at: NullableTimestamp;
};

export type OperationStepsTable = {
  operation_id: OperationId;
  position: number;
  name: string;
  state: 'intended' | 'done' | 'undone';
  attempts: Generated<number>;
  fence: number;
  intended_at: Timestamp;
  finished_at: NullableTimestamp;
  error: ColumnType<OperationError | null, string | null | undefined, string | null>;
};

export type IdempotencyKeysTable = {
  principal: string;
  key: string;
  request_hash: string;
  tenant_id: TenantId | null;
  operation_id: OperationId | null;
  rollout_id: RolloutId | null;
  created_at: Timestamp;
  expires_at: Date;
};

export type AuditEntriesTable = {
  /** int8: a decimal string. */
  seq: Generated<string>;
  at: Timestamp;
  actor: string;
  actor_role: string | null;
  action: string;
  target_type: string;
  target_id: string | null;
  request_id: string | null;
  operation_id: string | null;
  detail: GeneratedJson<Record<string, unknown>>;
};

export type EventsTable = {
  seq: Generated<string>;
  id: EventId;
  type: string;
  at: Timestamp;
  tenant_id: string | null;
  payload: Json<Record<string, unknown>>;
  published_at: NullableTimestamp;
};

export type ApiKeysTable = {
  id: ApiKeyId;
  name: string;
  role: AdminRole;
  secret_mac: string;
  created_by: string;
  created_at: Timestamp;
  expires_at: NullableTimestamp;
  revoked_at: NullableTimestamp;
  last_used_at: NullableTimestamp;
};

export type SigningKeysTable = {
  kid: string;
  issuer: string;
  alg: 'EdDSA' | 'ES256' | 'RS256';
  state: 'next' | 'active' | 'retiring' | 'revoked';
  public_jwk: Json<Record<string, unknown>>;
  private_sealed: string | null;
  created_at: Timestamp;
  retires_at: NullableTimestamp;
};

export type RuntimeInstancesTable = {
  id: RuntimeInstanceId;
  host: string;
  pid: number;
  version: string;
  started_at: Date;
  heartbeat_at: Date;
  stats: GeneratedJson<Record<string, unknown>>;
};

/** Written by the function take_share alone. */
export type ConnectionSharesTable = {
  cluster_id: ClusterId;
  holder_id: ShareHolderId;
  host: string;
  pid: number;
  granted: number;
  open: number;
  needed: number;
  kept: number;
  most: number;
  report: string;
  lease_ms: number;
  lease_until: Date;
  taken_at: Timestamp;
};

export type ReconcilersTable = {
  name: string;
  lease_holder: string | null;
  lease_until: NullableTimestamp;
  next_run_at: Timestamp;
  runs: Generated<number>;
  last_started_at: NullableTimestamp;
  last_finished_at: NullableTimestamp;
  last_result: ColumnType<Record<string, unknown> | null, string | null | undefined, string | null>;
  last_error: ColumnType<Record<string, unknown> | null, string | null | undefined, string | null>;
};

export type WarmDemandTable = { cluster_id: ClusterId; at: Timestamp; warm: boolean };

/** What runtime.routes shows: everything the runtime needs to serve one tenant. */
export type RoutesView = {
  tenant_id: TenantId;
  state: TenantState;
  epoch: number;
  generation: number;
  plan_id: string;
  limits: PlanLimits;
  database_id: DatabaseId | null;
  database_name: string | null;
  lanes: LaneVersions | null;
  cluster_id: ClusterId | null;
  host: string | null;
  port: number | null;
  tls: 'disable' | 'require' | 'verify-full' | null;
  ca: string | null;
  connection_budget: number | null;
  active_login: 'app_a' | 'app_b' | null;
  app_sealed: string | null;
  ro_sealed: string | null;
  pooler_url: string | null;
};

export type VerificationKeysView = {
  kid: string;
  issuer: string;
  alg: 'EdDSA' | 'ES256' | 'RS256';
  public_jwk: Record<string, unknown>;
  retires_at: Date | null;
};

export type CatalogSchema = FleetTables & {
  clusters: ClustersTable;
  plans: PlansTable;
  tenants: TenantsTable;
  databases: DatabasesTable;
  database_secrets: DatabaseSecretsTable;
  operations: OperationsTable;
  operation_steps: OperationStepsTable;
  idempotency_keys: IdempotencyKeysTable;
  audit_entries: AuditEntriesTable;
  events: EventsTable;
  api_keys: ApiKeysTable;
  signing_keys: SigningKeysTable;
  runtime_instances: RuntimeInstancesTable;
  connection_shares: ConnectionSharesTable;
  reconcilers: ReconcilersTable;
  warm_demand: WarmDemandTable;
  'runtime.routes': RoutesView;
  'runtime.verification_keys': VerificationKeysView;
};
