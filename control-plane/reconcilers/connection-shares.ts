// Owns that the share of a process that has died is given out again, and only then (R08). Three things must come together: its
// lease is over by the catalog's clock, it has been silent for a lease by the clock of this process, which nobody sets (R14), and
// two looks at the cluster found no session that could be its. A process that is only cut off from the catalog has one there.
import { freeShare, type SilentHolder, shareHolderIds, silentHolders } from '../../catalog/connection-shares.ts';
import type { ClusterId } from '../../catalog/ids.ts';
import type { ShareHolderId } from '../../catalog/schema.ts';
import { type Clock, systemClock } from '../../platform/clock.ts';
import type { Reconciler, ReconcilerDeps } from './reconciler.ts';

/** Above what a process itself trusts of its lease, by far more than monotonic clocks drift. */
const silentForLeases = 1.2;
/**
 * Behind a pooler a session on the cluster says whose it is only while a transaction runs, so no look tells that a process is gone.
 * Time alone decides; longer than a process that lives is likely to be cut off from the catalog.
 */
const pooledSilenceMs = 10 * 60_000;

type Silence = { report: string; sinceMs: number; looksWithoutSession: number };

/** One for each process: what it has seen is its own, and another one that takes over looks anew. */
export function connectionShares(clock: Clock = systemClock): Reconciler {
  const silences = new Map<string, Silence>();
  return {
    name: 'connection-shares',
    everyMs: 2_000,
    async run(deps) {
      const silent = await silentHolders(deps.catalog);
      const known = new Set(silent.map(keyOf));
      for (const key of silences.keys()) if (!known.has(key)) silences.delete(key);
      const freed: string[] = [];
      for (const [clusterId, holders] of Map.groupBy(silent, (each) => each.cluster_id)) {
        const here = await holdersOn(deps, clusterId);
        for (const holder of holders) {
          const silence = silenceOf(holder);
          silence.looksWithoutSession = here?.has(holder.holder_id) === false ? silence.looksWithoutSession + 1 : 0;
          if (!isGone(holder, silence) || !(await freeShare(deps.catalog, holder))) continue;
          freed.push(holder.holder_id);
          deps.log.info(
            { cluster_id: clusterId, holder_id: holder.holder_id },
            'the share of a process that is gone was freed',
          );
        }
      }
      return { silent: silent.length, freed };
    },
  };

  function isGone({ lease_ms, pooled }: SilentHolder, { sinceMs, looksWithoutSession }: Silence): boolean {
    const silentMs = clock.monotonicMs() - sinceMs;
    if (pooled) return silentMs >= pooledSilenceMs;
    return silentMs >= lease_ms * silentForLeases && looksWithoutSession >= 2;
  }

  function silenceOf(holder: SilentHolder): Silence {
    const known = silences.get(keyOf(holder));
    if (known?.report === holder.report) return known;
    const silence = { report: holder.report, sinceMs: clock.monotonicMs(), looksWithoutSession: 0 };
    silences.set(keyOf(holder), silence);
    return silence;
  }
}

function keyOf({ cluster_id, holder_id }: SilentHolder): string {
  return `${cluster_id}/${holder_id}`;
}

/**
 * Who may have a session there; undefined where nobody can tell. A session that does not say whose it is (a tenant may rename its
 * own) may be anybody's, and counts for all who are silent.
 */
async function holdersOn(
  { catalog, clusters, log }: ReconcilerDeps,
  id: ClusterId,
): Promise<Set<ShareHolderId> | undefined> {
  try {
    const names = [...(await clusters.of(id).sessionsByName()).keys()];
    const holders = await shareHolderIds(catalog);
    const nameless = names.some((name) => !holders.some((holder) => name.endsWith(holder.id)));
    const there = holders.filter(
      (holder) => names.some((name) => name.endsWith(holder.id)) || (nameless && !holder.live),
    );
    return new Set(there.map((holder) => holder.id));
  } catch (err) {
    log.warn({ err, cluster_id: id }, 'the sessions of a cluster could not be counted');
    return undefined;
  }
}
