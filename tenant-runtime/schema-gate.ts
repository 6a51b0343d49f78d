// Owns the contract between the fleet and the application behind this runtime: which versions of the tenant lane it can work
// with. A tenant outside of them is refused, retryably, instead of being served wrong SQL (M11); a rollout that migrates on
// demand is told that this tenant is waited for.
import { catalogFault } from '../catalog/errors.ts';
import type { TenantId } from '../catalog/ids.ts';
import { inRange, type VersionRange } from '../catalog/lane-versions.ts';
import type { Log } from '../platform/log.ts';
import type { Route } from './route.ts';

export type SchemaGate = {
  readonly range: VersionRange;
  /** @throws Fault schema_out_of_range */
  check(route: Route): void;
};

export type SchemaGateDeps = {
  range: VersionRange;
  /** True where a running rollout will migrate the tenant first. */
  ask(tenantId: TenantId): Promise<boolean>;
  log: Log;
};

/** A client that tries again once a second must not ask the catalog more often. */
const askEveryMs = 1_000;
const askedMax = 10_000;

export function createSchemaGate({ range, ask, log }: SchemaGateDeps): SchemaGate {
  const askedAtMs = new Map<TenantId, number>();
  const askOnce = (tenantId: TenantId): void => {
    const now = performance.now();
    if (now - (askedAtMs.get(tenantId) ?? Number.NEGATIVE_INFINITY) < askEveryMs) return;
    if (askedAtMs.size >= askedMax) askedAtMs.clear();
    askedAtMs.set(tenantId, now);
    ask(tenantId).then(
      (asked) => log.info({ tenant_id: tenantId, asked }, 'a tenant outside the range of versions was asked for'),
      (err: unknown) => log.debug({ err }, 'the catalog could not be told of a tenant that waits for its migration'),
    );
  };
  const open = range.min === null && range.max === null;
  return {
    range,
    check({ tenantId, lanes }) {
      if (open) return;
      const version = lanes.tenant?.version;
      if (version !== undefined && inRange(version, range)) return;
      askOnce(tenantId);
      throw catalogFault(
        'schema_out_of_range',
        'The schema of this tenant is being brought to the version that this application needs. Send the request again.',
        {
          internal: `tenant lane at ${version}, served are ${range.min ?? ''}..${range.max ?? ''}`,
          retryAfterMs: 1_000,
          extra: { retryable: true, outcome: 'not_done' },
        },
      );
    },
  };
}
