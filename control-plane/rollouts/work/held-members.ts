// Owns the leases of the members that one worker has in hand: renewed together, and believed in only as long as a clock of its
// own says so. A worker that was stopped finds out before it writes (M09); the database's own lock and ledger do the rest.
import type { DatabaseId, RolloutId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { type ClaimedMember, renewMembers } from '../../../catalog/rollout-members.ts';
import type { Log } from '../../../platform/log.ts';

/** As that of an operation: longer than a pause of a healthy process; a member of one that died is taken again after it. */
export const leaseDefaultMs = 15_000;

export type HeldMembers = {
  /** @param claimedAtMs from before the claim was sent */
  hold(member: ClaimedMember, claimedAtMs: number): AbortSignal;
  release(databaseId: DatabaseId): void;
  stop(): void;
};

type Held = { fence: number; untilMs: number; lost: AbortController };

export function holdMembers(deps: { db: CatalogDb; log: Log; leaseMs: number }, id: RolloutId): HeldMembers {
  const { db, log, leaseMs } = deps;
  const held = new Map<DatabaseId, Held>();
  const renew = async (): Promise<void> => {
    const mine = [...held];
    if (mine.length === 0) return;
    const sentAtMs = performance.now();
    const asked = mine.map(([databaseId, { fence }]) => ({ databaseId, fence }));
    try {
      const kept = await renewMembers(db, id, asked, leaseMs);
      for (const [databaseId, lease] of mine) {
        if (kept.has(databaseId)) lease.untilMs = sentAtMs + leaseMs;
        // One that was released meanwhile has been recorded.
        else if (held.get(databaseId) === lease) lease.lost.abort(new Error('another worker has this member now'));
      }
    } catch (err) {
      log.warn({ err }, 'the leases of a rollout could not be renewed');
      for (const [, lease] of mine)
        if (performance.now() >= lease.untilMs) lease.lost.abort(new Error('the lease has run out'));
    }
  };
  // Five may fail before a lease is in danger.
  const timer = setInterval(() => void renew(), leaseMs / 6);
  timer.unref();
  return {
    hold(member, claimedAtMs) {
      const lost = new AbortController();
      held.set(member.databaseId, { fence: member.fence, untilMs: claimedAtMs + leaseMs, lost });
      return lost.signal;
    },
    release: (databaseId) => void held.delete(databaseId),
    stop: () => clearInterval(timer),
  };
}
