// Owns the numbers of the runtime on its metrics page. Never a tenant id as a label: their number has no bound.
import { Counter, Gauge } from 'prom-client';
import type { ClusterShare, ShareHolder } from '../catalog/share-holder.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { GraphqlLoader } from './graphql/load-graphql-api.ts';
import type { LimitName } from './rate-limits.ts';
import type { RouteCache } from './route-cache.ts';
import type { TenantPools, TenantPoolsDeps } from './tenant-pools.ts';
import type { VerificationKeys } from './verification-keys.ts';

export type Watched = {
  routes: RouteCache;
  keys: VerificationKeys;
  tokens: { readonly size: number };
  pools: TenantPools;
  changes: { readonly connected: boolean };
  shares: Pick<ShareHolder, 'shares' | 'cutOff'>;
  graphql: Pick<GraphqlLoader, 'stats'>;
  counter: { readonly shared: boolean };
};

export function watchRuntime(
  metrics: Metrics,
  { routes, keys, tokens, pools, changes, shares, counter, graphql }: Watched,
): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `freehold_runtime_${name}`,
      help,
      registers: [metrics.registry],
      collect() {
        this.set(read());
      },
    });
  gauge('routes', 'Routes in memory.', () => routes.stats().routes);
  gauge(
    'route_age_seconds',
    'Since the longest unconfirmed route was confirmed by the catalog.',
    () => routes.stats().ageMaxMs / 1000,
  );
  gauge('route_hits', 'Requests answered from routes in memory.', () => routes.stats().hits);
  gauge('route_misses', 'Requests that waited for a read of the catalog.', () => routes.stats().misses);
  gauge(
    'routes_served_while_away',
    'Requests served by the last known route because the catalog was away.',
    () => routes.stats().servedWhileAway,
  );
  gauge('catalog_away', '1 while the catalog does not answer.', () => Number(routes.stats().catalogAway));
  gauge('listening', '1 while changes are heard by NOTIFY.', () => Number(changes.connected));
  gauge('keys', 'Public keys that tokens are verified with.', () => keys.stats().keys);
  gauge('key_age_seconds', 'Since the keys were confirmed by the catalog.', () => keys.stats().ageMs / 1000);
  gauge('verified_tokens', 'Verified tokens in memory.', () => tokens.size);
  gauge('graphql_schemas', 'GraphQL schemas in memory.', () => graphql.stats().schemas);
  gauge('graphql_schemas_built', 'GraphQL schemas built since the start.', () => graphql.stats().built);
  gauge('sessions', 'Sessions into tenant databases.', () => pools.stats().open);
  gauge('sessions_idle', 'Sessions that nobody uses.', () => pools.stats().idle);
  gauge('sessions_leased', 'Sessions at work.', () => pools.stats().leased);
  gauge('requests_waiting', 'Requests that wait for a session.', () => pools.stats().waiting);
  // Clusters are few: their ids may be labels.
  const byCluster = (name: string, help: string, read: (share: ClusterShare) => number) =>
    new Gauge({
      name: `freehold_runtime_${name}`,
      help,
      labelNames: ['cluster'] as const,
      registers: [metrics.registry],
      collect() {
        this.reset();
        for (const share of shares.shares()) this.set({ cluster: share.clusterId }, read(share));
      },
    });
  byCluster('share_sessions', "This process's share of the cluster's connection budget.", (share) => share.mayOpen);
  byCluster('share_sessions_open', 'Sessions of this process on the cluster.', (share) => share.open);
  byCluster('cluster_budget_sessions', 'The connection budget of the cluster.', (share) => share.budget);
  gauge(
    'clusters_away',
    'Clusters that take no connections; requests for their tenants are refused at once.',
    () => pools.away().length,
  );
  gauge('limits_shared', '1 while requests are counted together with the other runtimes.', () =>
    Number(counter.shared),
  );
  gauge('shares_unconfirmed', '1 while the catalog does not confirm the shares: they cannot grow.', () =>
    Number(shares.cutOff()),
  );
}

/** Counts what was refused with 429. */
export function refusals(metrics: Metrics): (limit: LimitName | 'queue') => void {
  const counter = new Counter({
    name: 'freehold_runtime_refused_total',
    help: 'Requests refused with 429, by the limit: queue, tenant, subject, ip, refused_tokens.',
    labelNames: ['limit'] as const,
    registers: [metrics.registry],
  });
  return (limit) => counter.inc({ limit });
}

/** For createTenantPools. */
export function poolEvents(metrics: Metrics): NonNullable<TenantPoolsDeps['onEvent']> {
  const counter = new Counter({
    name: 'freehold_runtime_session_events_total',
    help: 'What happened to sessions: opened, open-failed, closed, waited, repeated, identity-mismatch.',
    labelNames: ['event'] as const,
    registers: [metrics.registry],
  });
  return ({ type }) => counter.inc({ event: type });
}
