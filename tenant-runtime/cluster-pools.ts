// Owns one session pool for each cluster, shared by all its tenants. Its size is this process's share of the cluster's connection
// budget, as it changes; the least recently used idle session of any tenant makes room, and logins are few at a time (R06, R08).

import type { ClusterId } from '../catalog/ids.ts';
import type { ShareHolder, ShareUsage } from '../catalog/share-holder.ts';
import type { Session } from '../platform/postgres/session.ts';
import type { Lease } from '../platform/postgres/session-lease.ts';
import {
  createSessionPool,
  type LeaseOptions,
  type PoolEvent,
  type PoolStats,
  type SessionPool,
} from '../platform/postgres/session-pool.ts';

export interface ClusterPools {
  lease(clusterId: ClusterId, key: string, options: LeaseOptions): Promise<Lease>;
  evict(clusterId: ClusterId, key: string): void;
  /** Part of this process's share that is open, 0 to 1 and above while it shrinks. */
  fullness(clusterId: ClusterId): number;
  /** For the reports of the share holder. */
  usage(clusterId: ClusterId): ShareUsage;
  shareChanged(clusterId: ClusterId): void;
  stats(): PoolStats & { clusters: number };
  close(): Promise<void>;
}

export type ClusterPoolsDeps = {
  open(key: string): Promise<Session>;
  onOpened(session: Session, key: string): Promise<void>;
  maxPerKey(key: string): number;
  shares: Pick<ShareHolder, 'mayOpen' | 'hurry' | 'cutOff'>;
  idleMs(key: string): number;
  onEvent(event: PoolEvent): void;
};

/** So that load spreads over standbys and memory of a backend is given back now and then. */
const sessionLifetimeMs = 30 * 60_000;
/** Two to three logins long: a second session pays only for a tenant whose statements are long or many. */
const growAfterMs = 25;
/** A server of two cores makes some 300 logins a second (LIMITS.md, 2); more at once only make each of them late. */
const openingMax = 16;
/** What was needed a moment ago is likely to be needed again. */
const peakForMs = 10_000;

type ClusterPool = { pool: SessionPool; peak: { leased: number; before: number; sinceMs: number } };

export function createClusterPools(deps: ClusterPoolsDeps): ClusterPools {
  const { shares } = deps;
  const clusters = new Map<ClusterId, ClusterPool>();

  const of = (clusterId: ClusterId): ClusterPool => {
    let cluster = clusters.get(clusterId);
    if (cluster === undefined) {
      const pool = createSessionPool({
        open: deps.open,
        onOpened: deps.onOpened,
        maxTotal: () => shares.mayOpen(clusterId),
        maxPerKey: deps.maxPerKey,
        openingMax,
        onFull: () => shares.hurry(clusterId),
        growAfterMs,
        idleMs: deps.idleMs,
        keepLast: () => shares.cutOff(),
        maxLifetimeMs: sessionLifetimeMs,
        reset: true, // tenants send SQL of their own
        onEvent: deps.onEvent,
      });
      cluster = { pool, peak: { leased: 0, before: 0, sinceMs: 0 } };
      clusters.set(clusterId, cluster);
    }
    return cluster;
  };

  return {
    async lease(clusterId, key, options) {
      const { pool, peak } = of(clusterId);
      const lease = await pool.lease(key, options);
      const { leased } = pool.stats();
      if (leased > peak.leased) peak.leased = leased;
      return lease;
    },
    evict: (clusterId, key) => void clusters.get(clusterId)?.pool.evict(key),
    fullness(clusterId) {
      const { pool } = of(clusterId);
      return pool.stats().open / Math.max(1, shares.mayOpen(clusterId));
    },
    usage(clusterId) {
      const cluster = clusters.get(clusterId);
      if (cluster === undefined) return { open: 0, established: 0, need: 0, keep: 0 };
      const { pool, peak } = cluster;
      const { open, leased } = pool.stats();
      const { established, wanted } = pool.demand();
      const nowMs = performance.now();
      if (nowMs - peak.sinceMs > peakForMs) Object.assign(peak, { before: peak.leased, leased, sinceMs: nowMs });
      const need = Math.max(leased, peak.leased, peak.before) + wanted;
      return { open, established, need, keep: Math.ceil(Math.max(open, need) * 1.25) };
    },
    shareChanged: (clusterId) => clusters.get(clusterId)?.pool.limitsChanged(),
    stats() {
      const sum = { open: 0, idle: 0, leased: 0, waiting: 0, clusters: clusters.size };
      for (const { pool } of clusters.values()) {
        const { open, idle, leased, waiting } = pool.stats();
        sum.open += open;
        sum.idle += idle;
        sum.leased += leased;
        sum.waiting += waiting;
      }
      return sum;
    },
    close: async () => {
      await Promise.all([...clusters.values()].map(({ pool }) => pool.close()));
    },
  };
}
