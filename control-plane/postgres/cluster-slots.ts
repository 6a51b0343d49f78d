// Owns the control plane's part in the connection budget of each cluster: whoever opens a session there first has a slot of this
// process's share. When none is free an idle session of a pool makes room, then the opener waits. An address on a cluster carries
// the slots of that cluster, so no opener can forget them. Installing, once and as a superuser, is not counted.
import type { ClusterId } from '../../catalog/ids.ts';
import type { ShareUsage } from '../../catalog/share-holder.ts';
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import { poolTimeout } from '../../platform/postgres/faults.ts';
import { openSession, type Session, type SessionSettings } from '../../platform/postgres/session.ts';

export type SessionSlots = {
  /** Shown to the server beside the purpose of each session. */
  readonly holderId: string;
  /** @throws Fault pool_timeout when no slot becomes free, and what `open` throws */
  use(open: () => Promise<Session>): Promise<Session>;
};

export type ClusterAddress = PostgresAddress & { readonly slots?: SessionSlots };

/** A pool as far as its idle sessions go. */
export type IdleSessionsOf = {
  /** Closes one that `which` accepts; false where it has none. */
  closeIdle(which: (session: Session) => boolean): boolean;
  countIdle(which: (session: Session) => boolean): number;
};

export interface ClusterSlots {
  of(clusterId: ClusterId): SessionSlots;
  /** A pool that can give up idle sessions when slots are short. */
  reclaimFrom(pool: IdleSessionsOf): void;
  usage(clusterId: ClusterId): ShareUsage;
  shareChanged(clusterId: ClusterId): void;
}

export type ClusterSlotsDeps = {
  holderId: string;
  mayOpen(clusterId: ClusterId): number;
  hurry(clusterId: ClusterId): void;
};

/** A session on a cluster, counted where the address says where to. */
export function openClusterSession(address: ClusterAddress, settings: SessionSettings): Promise<Session> {
  const { slots, ...server } = address;
  if (slots === undefined) return openSession(server, settings);
  const applicationName = `${settings.applicationName} ${slots.holderId}`;
  return slots.use(() => openSession(server, { ...settings, applicationName }));
}

/** Longer than another process needs to give up what it does not use; an operation is tried again later. */
const waitMaxMs = 15_000;
/** A server needs a moment to let go of a session that was lost. */
const lingerMs = 50;

type Cluster = { taken: number; sessions: Set<Session>; line: (() => void)[]; slots: SessionSlots };

export function createClusterSlots({ holderId, mayOpen, hurry }: ClusterSlotsDeps): ClusterSlots {
  const clusters = new Map<ClusterId, Cluster>();
  const pools: IdleSessionsOf[] = [];

  const pump = (clusterId: ClusterId, cluster: Cluster): void => {
    while (cluster.line.length > 0 && cluster.taken < mayOpen(clusterId)) {
      cluster.taken++;
      cluster.line.shift()?.();
    }
    if (cluster.line.length === 0) return;
    hurry(clusterId);
    makeRoom(cluster, cluster.line.length);
  };
  const makeRoom = (cluster: Cluster, wanted: number): void => {
    for (let left = wanted; left > 0; left--) {
      if (!pools.some((pool) => pool.closeIdle((session) => cluster.sessions.has(session)))) return;
    }
  };
  const release = (clusterId: ClusterId, cluster: Cluster): void => {
    cluster.taken--;
    pump(clusterId, cluster);
  };
  const take = async (clusterId: ClusterId, cluster: Cluster): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      const at = cluster.line.indexOf(resolve);
      if (at === -1) return;
      cluster.line.splice(at, 1);
      reject(
        poolTimeout(`no slot on ${clusterId} within ${waitMaxMs} ms: ${cluster.taken} of ${mayOpen(clusterId)} taken`),
      );
    }, waitMaxMs);
    cluster.line.push(resolve);
    pump(clusterId, cluster);
    await promise.finally(() => clearTimeout(timer));
  };
  const make = (clusterId: ClusterId): Cluster => {
    const cluster: Cluster = {
      taken: 0,
      sessions: new Set(),
      line: [],
      slots: {
        holderId,
        async use(open) {
          await take(clusterId, cluster);
          let session: Session;
          try {
            session = await open();
          } catch (error) {
            release(clusterId, cluster);
            throw error;
          }
          cluster.sessions.add(session);
          void session.closed.then(() => {
            cluster.sessions.delete(session);
            setTimeout(() => release(clusterId, cluster), lingerMs);
          });
          return session;
        },
      },
    };
    clusters.set(clusterId, cluster);
    return cluster;
  };

  return {
    of: (clusterId) => (clusters.get(clusterId) ?? make(clusterId)).slots,
    reclaimFrom: (pool) => void pools.push(pool),
    usage(clusterId) {
      const cluster = clusters.get(clusterId);
      if (cluster === undefined) return { open: 0, established: 0, need: 0, keep: 0 };
      const { taken, sessions, line } = cluster;
      const idle = pools.reduce((sum, pool) => sum + pool.countIdle((session) => sessions.has(session)), 0);
      const need = taken - idle + line.length;
      return { open: taken, established: sessions.size, need, keep: need + idle + spareSlots };
    },
    shareChanged(clusterId) {
      const cluster = clusters.get(clusterId);
      if (cluster === undefined) return;
      makeRoom(cluster, cluster.taken - mayOpen(clusterId));
      pump(clusterId, cluster);
    },
  };
}

/** So that the next operations need not ask first. */
const spareSlots = 4;
