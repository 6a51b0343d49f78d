// Owns how fast a rollout goes, by what was seen of it: members ended in the last half minute, and how long the rest will take.
import type { RolloutView } from '../client.ts';

export type Pace = { perSec: number; leftMs: number | null };

/** Long enough to be calm, short enough to follow a change of the concurrency. */
const seenMs = 30_000;

export function endedOf({ counts }: Pick<RolloutView, 'counts'>): number {
  return counts.done + counts.noop + counts.failed + counts.skipped + counts.gone;
}

/** @param nowMs of a clock that only goes forward */
export function createPace(): (rollout: RolloutView, nowMs: number) => Pace {
  const seen: { atMs: number; ended: number }[] = [];
  return (rollout, nowMs) => {
    const ended = endedOf(rollout);
    seen.push({ atMs: nowMs, ended });
    while (seen.length > 2 && (seen[1] as { atMs: number }).atMs < nowMs - seenMs) seen.shift();
    const first = seen[0] as { atMs: number; ended: number };
    const perSec = nowMs > first.atMs ? Math.max(0, ended - first.ended) / ((nowMs - first.atMs) / 1_000) : 0;
    const open = rollout.members - ended;
    return { perSec, leftMs: perSec > 0 && rollout.state === 'running' ? (open / perSec) * 1_000 : null };
  };
}
