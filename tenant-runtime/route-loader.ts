// Owns the reading of single routes: many asked for at once become few queries. 500 cold tenants after a deployment cost
// two queries, not 500 (R06), and the catalog sees at most `queriesMax` of ours at a time.
import type { TenantId } from '../catalog/ids.ts';
import type { RouteRow } from '../catalog/routes.ts';

export interface RouteLoader {
  /** A read that begins after this call: it sees everything that was committed before. */
  load(tenantId: TenantId): Promise<RouteRow | undefined>;
}

export type RouteLoaderDeps = { find(tenantIds: readonly TenantId[]): Promise<RouteRow[]> };

const queriesMax = 2;
/** One answer of some 700 KB at most. */
const batchMax = 500;

export function createRouteLoader({ find }: RouteLoaderDeps): RouteLoader {
  const waiting = new Map<TenantId, PromiseWithResolvers<RouteRow | undefined>>();
  let running = 0;
  let woken = false;

  const wake = () => {
    if (woken) return;
    woken = true;
    // Everything asked for in this turn goes into one query.
    setImmediate(() => {
      woken = false;
      while (running < queriesMax && waiting.size > 0) void run();
    });
  };

  const run = async () => {
    const batch = [...waiting].slice(0, batchMax);
    for (const [id] of batch) waiting.delete(id);
    running++;
    try {
      const rows = await find(batch.map(([id]) => id));
      const byId = new Map(rows.map((row) => [row.tenant_id, row]));
      for (const [id, { resolve }] of batch) resolve(byId.get(id));
    } catch (error) {
      for (const [, { reject }] of batch) reject(error);
    } finally {
      running--;
      if (waiting.size > 0) wake();
    }
  };

  return {
    load(tenantId) {
      let asked = waiting.get(tenantId);
      if (asked === undefined) {
        asked = Promise.withResolvers();
        waiting.set(tenantId, asked);
        wake();
      }
      return asked.promise;
    },
  };
}
