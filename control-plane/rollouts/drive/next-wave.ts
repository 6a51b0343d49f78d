// Owns which waves begin now: pure. One begins when those before it are done; one whose last members wait for a cluster that is
// away does not hold up the others, except the first.
import type { WaveWithCounts } from '../../../catalog/rollout-waves.ts';
import { isOpen } from './windows.ts';

/** @returns positions, also of a wave that was done and has members again (retried or late ones) */
export function nextWaves(waves: readonly WaveWithCounts[], now: Date): number[] {
  const begin: number[] = [];
  for (const wave of waves) {
    const hasWork = wave.counts.pending + wave.counts.running > 0;
    if ((wave.state === 'done' || wave.state === 'baking') && hasWork) begin.push(wave.position);
    if (wave.state === 'done' && !hasWork) continue;
    if (wave.state === 'waiting') {
      if (isOpen(wave.maintenance_window, now)) begin.push(wave.position);
      break;
    }
    const onlyAway = wave.state === 'running' && hasWork && wave.reachable === 0 && wave.position > 0;
    if (!onlyAway) break;
  }
  return begin;
}
