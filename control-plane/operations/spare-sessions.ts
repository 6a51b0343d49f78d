// Owns sessions kept ready into warm databases, so that a claim does not pay for a login (PostgreSQL needs some 5 ms for one, and
// 2 ms more until it knows the tables of a database it has not seen). A hint and nothing else: a claim prefers a database that is
// ready here, takes any other where none is, and whoever claims first has it.

import type { CatalogDb } from '../../catalog/open-catalog.ts';
import { warmDatabaseIds } from '../../catalog/warm-stock.ts';
import type { Log } from '../../platform/log.ts';
import type { TenantDatabases } from '../postgres/tenant-database.ts';

export type SpareSessions = {
  /** Looks for warm databases from now on; ends when the pool of `databases` is closed. */
  start(): void;
  /** The stock has changed: look again soon. */
  stockChanged(): void;
};

export type SpareSessionsDeps = { catalog: CatalogDb; databases: TenantDatabases; log: Log };

/**
 * On each cluster. A burst of claims empties it and goes on with logins. The migrator's login has a limit of three sessions
 * over all processes, so databases are chosen at random: two processes seldom hold the same one ready.
 */
const perCluster = 2;
const clustersMax = 16;
/** Shorter than the life of an idle session in the pool. */
const lookEveryMs = 20_000;
/** The claim that made the gap and the first query of its tenant come first. */
const afterChangeMs = 150;

export function createSpareSessions({ catalog, databases, log }: SpareSessionsDeps): SpareSessions {
  let timer: NodeJS.Timeout | undefined;
  let dueAtMs = Number.POSITIVE_INFINITY;
  let looking = Promise.resolve();

  const look = async (): Promise<void> => {
    try {
      const warm = await warmDatabaseIds(catalog, databases.ready(), perCluster, clustersMax);
      // One after the other: it is nobody's wait.
      for (const id of warm) await databases.prewarm(id);
    } catch (error) {
      log.debug({ err: error }, 'no session was made ready ahead of a claim');
    }
  };
  const schedule = (ms: number): void => {
    const atMs = performance.now() + ms;
    if (atMs >= dueAtMs) return;
    clearTimeout(timer);
    dueAtMs = atMs;
    timer = setTimeout(() => {
      dueAtMs = Number.POSITIVE_INFINITY;
      looking = looking.then(look);
      void looking.then(() => schedule(lookEveryMs));
    }, ms).unref();
  };
  return {
    start: () => schedule(0),
    stockChanged: () => schedule(afterChangeMs),
  };
}
