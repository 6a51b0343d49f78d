// Owns what is known here of whether a cluster takes connections. Promises: a cluster that is away costs a request nothing but a
// quick refusal, instead of a wait for a time-out, and asks of the cluster no more than one login at a time; sessions that stand
// are not touched. The first login that succeeds closes the breaker, so service is back within `probeEveryMs` of the port.
import type { ClusterId } from '../catalog/ids.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { ConnectionLostError } from '../platform/postgres/errors.ts';

export interface ClusterBreaker {
  /** Runs `open`, or throws ClusterAway at once. */
  guard<T>(clusterId: ClusterId, open: () => Promise<T>): Promise<T>;
  away(): ClusterId[];
}

/** As a connection that could not be made: nothing was sent. */
export class ClusterAway extends ConnectionLostError {
  constructor(cause: unknown) {
    super('connect', 'the cluster takes no connections; it is asked again in a moment', { cause });
    this.name = 'ClusterAway';
  }
}

/** In a row. One lost packet or one slow login is no outage. */
const failuresToOpen = 3;
const probeEveryMs = 500;

type State = { failures: number; probing: boolean; probeAtMs: number; lastError: unknown };

export function createClusterBreaker({ clock, log }: { clock: Clock; log: Log }): ClusterBreaker {
  /** Of clusters with failures alone. */
  const states = new Map<ClusterId, State>();

  const failed = (clusterId: ClusterId, error: unknown): void => {
    const state = states.get(clusterId) ?? { failures: 0, probing: false, probeAtMs: 0, lastError: undefined };
    states.set(clusterId, state);
    state.failures++;
    state.lastError = error;
    state.probeAtMs = clock.monotonicMs() + probeEveryMs;
    if (state.failures === failuresToOpen)
      log.error({ err: error, cluster_id: clusterId }, 'a cluster takes no connections');
  };
  const succeeded = (clusterId: ClusterId): void => {
    const state = states.get(clusterId);
    if (state === undefined) return;
    if (state.failures >= failuresToOpen) log.info({ cluster_id: clusterId }, 'the cluster takes connections again');
    states.delete(clusterId);
  };

  return {
    async guard(clusterId, open) {
      const state = states.get(clusterId);
      const isOpen = state !== undefined && state.failures >= failuresToOpen;
      if (isOpen) {
        if (state.probing || clock.monotonicMs() < state.probeAtMs) throw new ClusterAway(state.lastError);
        state.probing = true;
      }
      try {
        const opened = await open();
        succeeded(clusterId);
        return opened;
      } catch (error) {
        if (isAway(error)) failed(clusterId, error);
        else succeeded(clusterId); // it answered, if only to refuse
        throw error;
      } finally {
        if (isOpen) state.probing = false;
      }
    },
    away: () => [...states].filter(([, { failures }]) => failures >= failuresToOpen).map(([id]) => id),
  };
}

/** Nobody answered, or a server that starts or stops did (57P01 to 57P03). A full server (53300) is there. */
function isAway(error: unknown): boolean {
  if (!(error instanceof ConnectionLostError) || error.phase !== 'connect') return false;
  return error.sqlstate === undefined || error.sqlstate.startsWith('57P0');
}
