// Owns how many requests of one tenant a process works at or keeps waiting: as many as the plan gives it sessions, and a bounded
// queue behind them. Who comes beyond is refused at once, so that a tenant that floods costs the others neither memory nor a place
// in a queue (R07). The place in the queue is held no longer than the request may wait for a session.
import type { TenantId } from '../catalog/ids.ts';
import { runtimeFault } from './errors.ts';
import type { TenantPools } from './tenant-pools.ts';

/** The same pools; a tenant that has its fill of requests under way gets Fault tenant_busy. */
export function admitByTenant(pools: TenantPools, onRefused: () => void): TenantPools {
  const underWay = new Map<TenantId, number>();
  return {
    ...pools,
    async use(route, access, fn, signal) {
      const { tenantId, limits } = route;
      const now = underWay.get(tenantId) ?? 0;
      if (now >= limits.runtime_sessions_max + limits.requests_waiting_max) {
        onRefused();
        throw busy(now);
      }
      underWay.set(tenantId, now + 1);
      try {
        return await pools.use(route, access, fn, signal);
      } finally {
        const left = (underWay.get(tenantId) as number) - 1;
        if (left === 0) underWay.delete(tenantId);
        else underWay.set(tenantId, left);
      }
    },
  };
}

function busy(underWay: number) {
  return runtimeFault(
    'tenant_busy',
    'This tenant has as many requests under way as its plan allows, and as many waiting. Send fewer at a time.',
    {
      internal: `${underWay} requests under way`,
      retryAfterMs: 1_000,
      extra: { retryable: true, outcome: 'not_done' },
    },
  );
}
