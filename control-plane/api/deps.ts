// Owns what the admin API needs from outside: the catalog, the sealing keys, the starts of operations, and nudges to the rest.

import type { OperationId, RolloutId } from '../../catalog/ids.ts';
import type { CatalogDb } from '../../catalog/open-catalog.ts';
import type { OperationLane } from '../../catalog/schema.ts';
import type { SigningKeys } from '../../catalog/signing-keys.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import type { Sealer } from '../../platform/sealing.ts';
import type { FsckReport } from '../fsck/report.ts';
import type { FleetLook } from '../rollouts/look/fleet-look.ts';
import type { ApiKeyDoor } from './api-key-door.ts';
import type { Changes } from './changes.ts';

export type AdminApiDeps = {
  readonly db: CatalogDb;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly log: Log;
  /** The iss of the tokens minted here. */
  readonly issuer: string;
  readonly apiKeys: ApiKeyDoor;
  readonly signingKeys: SigningKeys;
  readonly changes: Changes;
  /** A nudge to the queue; the operation is in the catalog already, so a failure is only logged. */
  wake(operationId: OperationId, lane: OperationLane): Promise<void>;
  /** A nudge to so many shares of a rollout's work; never throws. */
  wakeFleet(rolloutId: RolloutId, shares: number): Promise<void>;
  /** control-plane/postgres/install-cluster.ts, with its log. */
  installCluster(options: {
    address: PostgresAddress;
    connectionBudget: number;
    provisionerPassword?: string;
  }): Promise<InstalledCluster>;
  /** `deep: false` looks into no database. */
  fsck(scope: { deep: boolean }): Promise<FsckReport>;
  /** What looks over the fleet: control-plane/rollouts/look/. */
  readonly fleet: FleetLook;
  /** Each resolves or throws; readyz gives every one a second. Known names: catalog, schema, queue. */
  readonly readiness: Readonly<Record<string, () => Promise<void>>>;
  /** Aborts when the process is told to stop: readyz says no, streams end. */
  readonly stopping: AbortSignal;
  /** How long a deleted tenant may be undeleted, in seconds. */
  readonly deleteGraceSec: number;
};

/** What a handler gets: the above, and the document that is made of all routes. */
export type RouteDeps = AdminApiDeps & { openApiText(): string };

export type InstalledCluster = {
  provisionerPassword: string;
  serverVersionNum: number;
  capabilities: object;
  problems: string[];
};
