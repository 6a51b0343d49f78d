// Owns one transaction that stays open between calls: begun on a leased session, ended by its holder, by the signal, or by the
// loss of the session. Promises that the lease is given back in each of these cases, and that whoever was waiting learns the
// same error as in the other APIs (never a connection's own words).
import type { QueryResult, Session } from '../../platform/postgres/session.ts';
import type { TenantContext } from '../resolve-tenant.ts';
import { explainedFailure } from '../statement-failure.ts';
import type { ServedRoute, TenantPools } from '../tenant-pools.ts';
import { inTenantTransaction, type RequestContext, type TransactionOptions } from '../tenant-transaction.ts';

export type TransactionDeps = {
  pools: TenantPools;
  tenant: TenantContext;
  context: RequestContext;
  signal: AbortSignal;
};

export type HeldTransaction = {
  query<R>(text: string, params?: readonly unknown[]): Promise<QueryResult<R>>;
  script(text: string): Promise<void>;
  /** Commits or rolls back, and gives the session back. A second call is harmless. */
  end(keep: boolean): Promise<void>;
};

const notKept = Symbol('rolled back as its holder wished');

export async function holdTransaction(deps: TransactionDeps, options: TransactionOptions): Promise<HeldTransaction> {
  const { pools, tenant, context, signal } = deps;
  const lent = Promise.withResolvers<{ session: Session; limits: ServedRoute['limits'] }>();
  const over = Promise.withResolvers<boolean>();
  let lostBy: unknown;
  const work = async (session: Session, route: ServedRoute) => {
    if (lostBy !== undefined) throw lostBy; // what was sent on the lost session cannot be sent again by anybody but its sender
    lent.resolve({ session, limits: route.limits });
    if (!(await over.promise)) throw notKept;
  };
  // A handler that never ends must not keep the session beyond the request.
  const onAbort = () => over.resolve(false);
  signal.addEventListener('abort', onAbort, { once: true });
  const done = inTenantTransaction(pools, tenant, context, work, signal, { ...options, beginAtOnce: true })
    .catch((error: unknown) => {
      if (error !== notKept) throw error;
    })
    .finally(() => signal.removeEventListener('abort', onAbort));
  done.catch(lent.reject);
  const { session, limits } = await lent.promise;

  const send = async <T>(statement: () => Promise<T>): Promise<T> => {
    const startedMs = performance.now();
    try {
      return await statement();
    } catch (error) {
      const shown = explainedFailure(error, limits, performance.now() - startedMs);
      if (session.usable) throw shown;
      // Ended from outside, by whichever message that came to be known: why, the pools know.
      lostBy = shown;
      over.reject(shown);
      await done;
      throw shown;
    }
  };
  const within = () => ({ signal, timeoutMs: limits.statement_timeout_ms, bytesMax: limits.result_bytes_max });
  return {
    query: <R>(text: string, params: readonly unknown[] = []) => send(() => session.query<R>(text, params, within())),
    script: (text) => send(() => session.script(text, within())),
    end(keep) {
      over.resolve(keep);
      return done;
    },
  };
}
