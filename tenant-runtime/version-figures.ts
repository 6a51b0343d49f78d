// Owns what a rollout wants to know of the traffic: requests, errors and the 99th percentile for each version of the tenant
// lane, over the last minute. By version and not by tenant, so that a heartbeat stays small whatever the number of tenants.
import type { Clock } from '../platform/clock.ts';
import { isFault } from '../platform/errors.ts';
import { ConnectionLostError, PostgresError } from '../platform/postgres/errors.ts';
import type { TenantPools } from './tenant-pools.ts';

export type FiguresOfVersion = { requests: number; errors: number; p99_ms: number };

export type VersionFigures = {
  /** @param error what the request ended with, if it did */
  record(version: string | undefined, durationMs: number, error?: unknown): void;
  /** By version; versions without a request in the last minute are absent. */
  read(): Record<string, FiguresOfVersion>;
};

/** Read every 5 s by the heartbeat: a bad version shows in the first slice. */
const sliceMs = 10_000;
const slicesKept = 6;
/** Upper bounds in ms; steps of about a half are fine enough to tell a regression. The last one has no bound. */
const bounds = [
  1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300, 500, 800, 1200, 2000, 3000, 5000, 8000, 15_000, 30_000,
];

type Slice = { requests: number; errors: number; counts: Uint32Array };

export function createVersionFigures(clock: Clock): VersionFigures {
  /** Slice number → version → figures. */
  const slices = new Map<number, Map<string, Slice>>();
  const sliceNow = () => Math.floor(clock.now().getTime() / sliceMs);
  const forgetOld = (now: number) => {
    for (const at of slices.keys()) if (at <= now - slicesKept) slices.delete(at);
  };
  return {
    record(version = '', durationMs, error) {
      const now = sliceNow();
      let slice = slices.get(now);
      if (slice === undefined) {
        forgetOld(now);
        slice = new Map();
        slices.set(now, slice);
      }
      let figures = slice.get(version);
      if (figures === undefined) {
        figures = { requests: 0, errors: 0, counts: new Uint32Array(bounds.length + 1) };
        slice.set(version, figures);
      }
      figures.requests++;
      if (error !== undefined && isSchemaOrServer(error)) figures.errors++;
      const bucket = bounds.findIndex((bound) => durationMs <= bound);
      const at = bucket < 0 ? bounds.length : bucket;
      figures.counts[at] = (figures.counts[at] as number) + 1;
    },
    read() {
      forgetOld(sliceNow());
      const sums = new Map<string, Slice>();
      for (const slice of slices.values()) {
        for (const [version, { requests, errors, counts }] of slice) {
          const sum = sums.get(version) ?? { requests: 0, errors: 0, counts: new Uint32Array(bounds.length + 1) };
          sum.requests += requests;
          sum.errors += errors;
          for (const [at, count] of counts.entries()) sum.counts[at] = (sum.counts[at] as number) + count;
          sums.set(version, sum);
        }
      }
      return Object.fromEntries(
        [...sums].map(([version, { requests, errors, counts }]) => [
          version,
          { requests, errors, p99_ms: percentile(counts, requests, 0.99) },
        ]),
      );
    },
  };
}

/** The same pools; each use is counted for the version its tenant had when it began. */
export function countByVersion(pools: TenantPools, figures: VersionFigures): TenantPools {
  return {
    ...pools,
    async use(route, access, fn, signal) {
      const startedAtMs = performance.now();
      const version = route.lanes.tenant?.version;
      try {
        const result = await pools.use(route, access, fn, signal);
        figures.record(version, performance.now() - startedAtMs);
        return result;
      } catch (error) {
        figures.record(version, performance.now() - startedAtMs, error);
        throw error;
      }
    },
  };
}

/** The bound of the bucket that holds it; beyond the last bound, that bound. */
function percentile(counts: Uint32Array, total: number, share: number): number {
  let left = Math.ceil(total * share);
  for (const [at, count] of counts.entries()) {
    left -= count;
    if (left <= 0) return bounds[Math.min(at, bounds.length - 1)] as number;
  }
  return 0;
}

/**
 * What a migration can cause: unknown columns and tables, missing rights, stale plans, the server's own trouble. A violated
 * constraint or a division by zero is the tenant's own doing and says nothing about a version.
 */
function isSchemaOrServer(error: unknown): boolean {
  if (error instanceof PostgresError) return /^(42|0A|53|55|57|XX)/.test(error.sqlstate);
  return error instanceof ConnectionLostError || isFault(error, 'tenant_database_unavailable');
}
