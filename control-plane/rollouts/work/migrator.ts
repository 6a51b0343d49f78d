// Owns what a worker needs of control-plane/postgres to bring one database to its target, and of the catalog to know the target.
import type { DatabaseId, ReleaseId } from '../../../catalog/ids.ts';
import type { MemberError } from '../../../catalog/rollout-policy.ts';
import type { LaneVersions } from '../../../catalog/schema.ts';
import type { Lane, MigrationFile } from '../../migration-files/migration-file.ts';

export type MigrateOptions = {
  direction: 'up' | 'down';
  /** Written into the ledger beside each file. */
  run: string;
  actor: string;
  lockTimeoutMs: number;
  lockRetries: number;
  statementTimeoutMs: number;
  probe: string | null;
  /** Where the catalog believes that the database stands. */
  known?: LaneVersions;
  /** For the way down: what stands beyond the target in any release. */
  undo?: readonly MigrationFile[];
  signal?: AbortSignal;
};

export type MigrateOutcome = {
  outcome: 'done' | 'noop';
  lanes: LaneVersions;
  from: string | null;
  to: string;
  durationMs: number;
  lockWaitMs: number;
};

/** What it throws for a database that refuses has `error` and `lockWaitMs`. */
export type Migrator = {
  migrate(id: DatabaseId, target: Lane, options: MigrateOptions): Promise<MigrateOutcome>;
  execOnce(id: DatabaseId, run: string, statement: string, options: MigrateOptions): Promise<MigrateOutcome>;
  /** Looks, and changes nothing. `ran`: something of this run is there. @throws Fault migration_at_work */
  standOf(id: DatabaseId, run: string): Promise<{ lanes: LaneVersions; ran: boolean }>;
};

export type LaneOf = (release: ReleaseId) => Promise<Lane>;
export type FilesBeyond = (target: Lane) => Promise<readonly MigrationFile[]>;

/** What a rollout of a lane brings databases to, and the ways back of what it undoes there. */
export type Target = { lane: Lane; undo: readonly MigrationFile[] };

export function memberErrorOf(error: unknown): { error: MemberError; lockWaitMs: number } | undefined {
  if (!(error instanceof Error) || !('error' in error)) return undefined;
  const { error: told, lockWaitMs } = error as { error: MemberError; lockWaitMs?: number };
  return { error: told, lockWaitMs: lockWaitMs ?? 0 };
}
