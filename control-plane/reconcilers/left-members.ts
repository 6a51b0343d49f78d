// Owns that a rollout which was paused, halted or aborted says what became of every member, also of those whose worker died with
// them in hand.
import type { Reconciler } from './reconciler.ts';

export type LeftMembersDeps = { settleLeft: () => Promise<number> };

export function leftMembersReconciler({ settleLeft }: LeftMembersDeps): Reconciler {
  return {
    name: 'left-members',
    // A third of a member's lease, which has to run out first.
    everyMs: 5_000,
    run: async () => ({ settled: await settleLeft() }),
  };
}
