// Owns driving the rollouts that run and keeping workers on them: whatever nudge was lost and whatever worker died, within
// seconds somebody looks again (M08, M09).
import type { RolloutId } from '../../catalog/ids.ts';
import { sharesOf } from '../../catalog/rollout-shares.ts';
import { runningRollouts } from '../../catalog/rollouts.ts';
import type { Driven } from '../rollouts/drive/drive-rollout.ts';
import type { Reconciler } from './reconciler.ts';

export type RolloutsReconcilerDeps = {
  drive: (id: RolloutId) => Promise<Driven>;
  wakeFleet: (id: RolloutId, shares: number) => Promise<void>;
};

export function rolloutsReconciler({ drive, wakeFleet }: RolloutsReconcilerDeps): Reconciler {
  return {
    name: 'rollouts',
    everyMs: 2_000,
    async run({ catalog, log }) {
      const running = await runningRollouts(catalog);
      let ended = 0;
      for (const { id, policy } of running) {
        try {
          const driven = await drive(id);
          if (driven.state !== 'running') ended++;
          else if (driven.open > 0) await wakeFleet(id, Math.min(sharesOf(policy.concurrency), driven.open));
        } catch (err) {
          // One that cannot be driven does not hold up those of other lanes.
          log.error({ err, rollout_id: id }, 'rollout could not be driven');
        }
      }
      return { running: running.length, ended };
    },
  };
}
