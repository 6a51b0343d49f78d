// Owns the one transaction of a worker's turn: what it has finished is recorded, the rollout is judged, and the next members
// are taken. With the row of the rollout locked, so a pause, a cap or a broken budget holds for every claim after it.
import type { RolloutId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { setAsideClosed } from '../../../catalog/rollout-fleet.ts';
import {
  type ClaimedMember,
  claimMembers,
  type MemberResult,
  recordResults,
} from '../../../catalog/rollout-members.ts';
import { politeWidth } from '../../../catalog/rollout-shares.ts';
import { wavesToWork } from '../../../catalog/rollout-waves.ts';
import { lockRollout, type RolloutRow } from '../../../catalog/rollouts.ts';
import { somebodyWaits } from '../../../catalog/somebody-waits.ts';
import { judgeRollout } from '../drive/judge-rollout.ts';
import { isOpen } from '../drive/windows.ts';

export type Turn = { rollout: RolloutRow; claimed: ClaimedMember[] };

export type TurnInput = {
  rolloutId: RolloutId;
  version: string | null;
  results: readonly MemberResult[];
  holder: string;
  leaseMs: number;
  /** Free hands. */
  max: number;
};

export function takeTurn(db: CatalogDb, input: TurnInput): Promise<Turn> {
  return db.transaction().execute(async (tx) => {
    const before = await lockRollout(tx, input.rolloutId);
    await recordResults(tx, before.id, input.results);
    // Before the judgement: whose database was closed meanwhile has not failed.
    if (input.results.some(({ state }) => state === 'failed')) await setAsideClosed(tx, before.id);
    // What was in flight when somebody said stop is recorded; nothing is taken.
    if (before.state !== 'running') return { rollout: before, claimed: [] };
    const { rollout, figures, room } = await judgeRollout(tx, before, input.version);
    if (rollout.state !== 'running' || input.max === 0) return { rollout, claimed: [] };
    const now = new Date();
    const { waves, firstPassed } = await wavesToWork(tx, rollout.id);
    // Also who is asked for waits for the hours of his group.
    const inHours = waves.filter((wave) => isOpen(wave.maintenance_window, now));
    const open = inHours.filter((wave) => wave.state === 'running');
    const { concurrency, concurrency_per_cluster, on_demand } = rollout.policy;
    const inAll = Math.min(concurrency, Math.max(0, ...open.map((wave) => wave.concurrency ?? concurrency)));
    const onDemand = on_demand && firstPassed ? inHours.map((wave) => wave.position) : [];
    const width = onDemand.length > 0 ? concurrency : inAll;
    const cap = ((await somebodyWaits(tx)) ? politeWidth(width) : width) - figures.running;
    const claimed = await claimMembers(tx, rollout.id, {
      holder: input.holder,
      leaseMs: input.leaseMs,
      waves: open.map((wave) => wave.position),
      onDemand,
      perCluster: concurrency_per_cluster,
      max: Math.min(input.max, room, cap),
    });
    return { rollout, claimed };
  });
}
