// Owns what ends by itself: deleted tenants whose grace time is over are purged, expired Idempotency-Keys and published events
// are removed.
import { systemCaller } from '../../catalog/caller.ts';
import { removePublishedEvents, tenantsToPurge } from '../../catalog/expired.ts';
import { reapIdempotencyKeys } from '../../catalog/idempotency.ts';
import { isFault } from '../../platform/errors.ts';
import { startPurgeTenant } from '../operations/start/start-purge-tenant.ts';
import type { Reconciler } from './reconciler.ts';

const purgesPerRunMax = 20;
const rowsPerRunMax = 5_000;
/** Time to look at what was published when a consumer has complained. */
const publishedEventsKeptMs = 7 * 24 * 3_600_000;

const caller = systemCaller('expired-tenants');

export const expiredTenants: Reconciler = {
  name: 'expired-tenants',
  everyMs: 60_000,
  async run({ catalog, wake }) {
    let purging = 0;
    for (const id of await tenantsToPurge(catalog, purgesPerRunMax)) {
      try {
        const { operation } = await startPurgeTenant(catalog, id, caller);
        await wake(operation.id, operation.lane);
        purging++;
      } catch (error) {
        // Undeleted or purged by hand since it was looked up.
        if (!isFault(error, 'operation_in_progress') && !isFault(error, 'wrong_state')) throw error;
      }
    }
    const keys = await reapIdempotencyKeys(catalog, rowsPerRunMax);
    const events = await removePublishedEvents(catalog, publishedEventsKeptMs, rowsPerRunMax);
    return { purging, keys, events };
  },
};
