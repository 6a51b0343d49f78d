// Owns standing between the catalog's pool and whoever leases its sessions: to count what is sent, or to lose an answer.
import type { Catalog } from '../../catalog/open-catalog.ts';
import type { Session } from '../../platform/postgres/session.ts';

export type CatalogCall = {
  name: 'query' | 'begin' | 'commit' | 'rollback';
  session: Session;
  go: () => Promise<unknown>;
};

const watched = new Set(['query', 'begin', 'commit', 'rollback']);

/** `around` stands for each call of every session leased from now on; returns how to stop. */
export function aroundCatalogCalls({ pool }: Catalog, around: (call: CatalogCall) => Promise<unknown>): () => void {
  const original = pool.lease;
  const lease = original.bind(pool);
  pool.lease = async (key, options) => {
    const leased = await lease(key, options);
    const { session } = leased;
    const proxy = new Proxy(session, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown;
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          const go = () => Reflect.apply(value, target, args) as Promise<unknown>;
          return watched.has(String(name)) ? around({ name: name as CatalogCall['name'], session, go }) : go();
        };
      },
    });
    return { session: proxy, release: () => leased.release(), discard: (reason: string) => leased.discard(reason) };
  };
  return () => {
    pool.lease = original;
  };
}
