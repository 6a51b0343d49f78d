// Owns the row types of the fleet's tables, column by column as migrations/catalog/*_fleet.sql makes them.
import type { ColumnType, Generated } from 'kysely';
import type { Json, NullableJson, NullableTimestamp, Timestamp } from './column-types.ts';
import type { ClusterId, DatabaseId, ReleaseId, RolloutId, TenantId } from './ids.ts';
import type { MaintenanceWindow } from './maintenance-window.ts';
import type { MemberError, MemberState, RolloutPolicy, RolloutState, Selection, Verdict } from './rollout-policy.ts';

export type RolloutKind = 'migrate' | 'rollback' | 'exec';
/** As control-plane/migration-files/migration-file.ts has it. */
export type StoredScript = {
  readonly transaction: boolean;
  readonly statements: readonly string[];
  readonly made?: boolean;
};
export type StoredProgram = {
  readonly entry: string;
  readonly sources: Readonly<Record<string, string>>;
  readonly shorthands: object;
  readonly up: boolean;
  readonly down: boolean;
};

export type ReleasesTable = {
  id: ReleaseId;
  lane: string;
  name: string;
  version: string;
  hash: string;
  contract_requires: string | null;
  app_min: string | null;
  app_max: string | null;
  notes: Generated<string>;
  lint: ColumnType<Record<string, unknown>[], string | undefined, never>;
  created_by: string;
  created_at: Timestamp;
};

export type ReleaseFilesTable = {
  release_id: ReleaseId;
  position: number;
  name: string;
  hash: string;
  up: Json<StoredScript>;
  down: NullableJson<StoredScript>;
  program: NullableJson<StoredProgram>;
  contract_requires: string | null;
};

export type LaneHeadsTable = { lane: string; release_id: ReleaseId; moved_by: string; moved_at: Timestamp };

export type TargetGroupsTable = {
  name: string;
  description: Generated<string>;
  selection: Json<Selection>;
  position: Generated<number>;
  maintenance_window: NullableJson<MaintenanceWindow>;
  approval: Generated<boolean>;
  version: Generated<number>;
  created_by: string;
  created_at: Timestamp;
  updated_at: Timestamp;
};

export type RolloutsTable = {
  id: RolloutId;
  kind: RolloutKind;
  lane: string;
  release_id: ReleaseId | null;
  statement: string | null;
  state: RolloutState;
  moves_head: Generated<boolean>;
  selection: Json<Selection>;
  policy: Json<RolloutPolicy>;
  verdict: NullableJson<Verdict>;
  approval_required: Generated<boolean>;
  approved_by: string | null;
  approved_at: NullableTimestamp;
  actor: string;
  request_id: string | null;
  version: Generated<number>;
  created_at: Timestamp;
  started_at: NullableTimestamp;
  /** The budget counts what ended after this. */
  budget_from: Timestamp;
  finished_at: NullableTimestamp;
};

export type RolloutWavesTable = {
  rollout_id: RolloutId;
  position: number;
  name: string;
  group_name: string | null;
  state: Generated<'waiting' | 'running' | 'baking' | 'done'>;
  /** int8: a decimal string when it is read. */
  bake_ms: ColumnType<string, number | undefined, number>;
  concurrency: number | null;
  maintenance_window: NullableJson<MaintenanceWindow>;
  started_at: NullableTimestamp;
  ended_at: NullableTimestamp;
  finished_at: NullableTimestamp;
};

export type RolloutMembersTable = {
  rollout_id: RolloutId;
  database_id: DatabaseId;
  tenant_id: TenantId | null;
  cluster_id: ClusterId;
  wave: number;
  state: Generated<MemberState>;
  lease_holder: string | null;
  lease_until: NullableTimestamp;
  fence: Generated<number>;
  attempts: Generated<number>;
  next_attempt_at: Timestamp;
  requested_at: NullableTimestamp;
  from_version: string | null;
  to_version: string | null;
  duration_ms: number | null;
  lock_wait_ms: number | null;
  error: NullableJson<MemberError>;
  skip_reason: string | null;
  started_at: NullableTimestamp;
  finished_at: NullableTimestamp;
};

export type SchemaDifference = {
  kind: string;
  object: string;
  change: 'missing' | 'unexpected' | 'different';
  expected: string | null;
  found: string | null;
  repairable: boolean;
};

export type GoldenSchemasTable = {
  lanes_hash: string;
  server_major: number;
  fingerprint: string;
  /** Object → definition, as the fingerprint query returns them. */
  objects: Json<Record<string, string>>;
  created_at: Timestamp;
};

export type SchemaChecksTable = {
  database_id: DatabaseId;
  checked_at: Timestamp;
  lanes_hash: string;
  fingerprint: string;
  drifted: boolean;
  differences: ColumnType<SchemaDifference[], string | undefined, string>;
  adopted: NullableJson<{ fingerprint: string; reason: string; actor: string; at: string }>;
};

export type FleetTables = {
  releases: ReleasesTable;
  release_files: ReleaseFilesTable;
  lane_heads: LaneHeadsTable;
  target_groups: TargetGroupsTable;
  rollouts: RolloutsTable;
  rollout_waves: RolloutWavesTable;
  rollout_members: RolloutMembersTable;
  golden_schemas: GoldenSchemasTable;
  schema_checks: SchemaChecksTable;
};
