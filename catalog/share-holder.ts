// Owns one process's part of the connection budgets. Promises: it never opens more on a cluster than it was last granted, whatever
// happens to its reports; a share that shrank is used down before it is reported; a process that the catalog does not hear any more
// keeps what it has as long as it keeps a session on the cluster, and grows nowhere. Timers are monotonic: no clock is compared.
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Share, ShareReport } from './connection-shares.ts';
import type { ClusterId } from './ids.ts';

export type ShareUsage = {
  /** Every session that the server may know, those on their way included. */
  open: number;
  /** Of these, the ones that stand: neither opening nor closing. */
  established: number;
  need: number;
  keep: number;
};

export type ClusterShare = { clusterId: ClusterId; mayOpen: number; budget: number; open: number };

export interface ShareHolder {
  /** How many sessions may be open there now. The first question about a cluster asks for a share of it. */
  mayOpen(clusterId: ClusterId): number;
  /** Work waits for room: the next report goes out now, as far as the last one was not just before. */
  hurry(clusterId: ClusterId): void;
  /** True while the catalog has not answered for most of a lease. */
  cutOff(): boolean;
  shares(): ClusterShare[];
  /** Gives everything back. Sessions must be closed before. */
  close(): Promise<void>;
}

export type ShareHolderDeps = {
  /** @returns the shares of those clusters that the catalog knows */
  take(nr: number, leaseMs: number, reports: ShareReport[]): Promise<Share[]>;
  giveBack(): Promise<void>;
  usage(clusterId: ClusterId): ShareUsage;
  /** Whatever the budget: the most on one cluster. */
  most: number;
  /** What may be open has changed: close what is idle beyond it, serve who waits. */
  onChange(clusterId: ClusterId): void;
  /** Default 15 s. */
  leaseMs?: number;
  clock: Clock;
  log: Log;
};

const leaseDefaultMs = 15_000;
/** Seven reports to a lease. What shrinks is free for others after two of them. */
const reportsPerLease = 7;
/** Who waits for room is not asked about more often than this. */
const hurryEveryMs = 100;
/** This much of the lease is trusted: clocks drift by less than a part in a thousand, and a report takes its time. */
const trusted = 0.8;
/**
 * Without a grant: at a start while the catalog is away, or once the last session of a silent process has gone and its share
 * may be somebody else's. So much the catalog keeps free on a cluster for a process that starts.
 */
export const withoutGrantMax = 4;
type Held = { mayOpen: number; budget: number; granted: boolean };

export function createShareHolder(deps: ShareHolderDeps): ShareHolder {
  const { clock, log, leaseMs = leaseDefaultMs } = deps;
  const held = new Map<ClusterId, Held>();
  let nr = 0;
  let heardAtMs = Number.NEGATIVE_INFINITY;
  let sentAtMs = Number.NEGATIVE_INFINITY;
  let reporting: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let failed = false;

  const isCutOff = () => clock.monotonicMs() - heardAtMs > leaseMs * trusted;

  const allowed = (clusterId: ClusterId, share: Held): number => {
    if (share.granted && isCutOff()) {
      // Nothing of it stands on the cluster, so the share may have been given to others.
      if (deps.usage(clusterId).established === 0) share.granted = false;
    }
    if (share.granted) return Math.min(share.mayOpen, deps.most);
    return failed ? Math.min(withoutGrantMax, deps.most) : 0;
  };

  const reportOf = ([clusterId, share]: [ClusterId, Held]): ShareReport => {
    const { open, need, keep } = deps.usage(clusterId);
    const ceiling = Math.max(open, allowed(clusterId, share));
    return { cluster_id: clusterId, ceiling, open, need, keep, most: deps.most };
  };

  const report = async (): Promise<void> => {
    const startedMs = clock.monotonicMs();
    sentAtMs = startedMs;
    const asked = [...held.keys()];
    try {
      const answers = await inTime(deps.take(++nr, leaseMs, [...held].map(reportOf)), leaseMs / reportsPerLease);
      heardAtMs = startedMs;
      if (failed) log.info('the connection shares are confirmed again');
      failed = false;
      const byCluster = new Map(answers.map((answer) => [answer.cluster_id, answer]));
      for (const clusterId of asked) {
        const answer = byCluster.get(clusterId);
        const before = held.get(clusterId);
        held.set(clusterId, { mayOpen: answer?.may_open ?? 0, budget: answer?.budget ?? 0, granted: true });
        if (before?.granted !== true || before.mayOpen !== answer?.may_open) deps.onChange(clusterId);
      }
    } catch (err) {
      if (!failed) log.warn({ err }, 'the connection shares could not be confirmed: they stay as they are');
      failed = true;
      for (const clusterId of asked) if (held.get(clusterId)?.granted !== true) deps.onChange(clusterId);
    }
  };
  const schedule = (ms: number): void => {
    clearTimeout(timer);
    if (!closed) timer = setTimeout(() => void turn(), ms).unref();
  };
  const turn = (): Promise<void> => {
    reporting ??= report().finally(() => {
      reporting = undefined;
      schedule(leaseMs / reportsPerLease);
    });
    return reporting;
  };
  const hurry = (): void => {
    if (reporting !== undefined || closed) return;
    const waitMs = sentAtMs + hurryEveryMs - clock.monotonicMs();
    if (waitMs <= 0) void turn();
    else schedule(waitMs);
  };

  return {
    mayOpen(clusterId) {
      let share = held.get(clusterId);
      if (share === undefined) {
        share = { mayOpen: 0, budget: 0, granted: false };
        held.set(clusterId, share);
        if (reporting === undefined) void turn();
        else void reporting.then(turn);
      }
      return allowed(clusterId, share);
    },
    hurry,
    cutOff: isCutOff,
    shares: () =>
      [...held].map(([clusterId, share]) => ({
        clusterId,
        mayOpen: allowed(clusterId, share),
        budget: share.budget,
        open: deps.usage(clusterId).open,
      })),
    async close() {
      closed = true;
      clearTimeout(timer);
      await reporting;
      if (held.size > 0) await deps.giveBack().catch((err: unknown) => log.debug({ err }, 'shares not given back'));
    },
  };
}

/** A report that comes through after all is older than the next one and changes nothing. */
async function inTime<T>(answer: Promise<T>, timeoutMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
