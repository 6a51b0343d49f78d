// Owns the spreading of databases over waves: canary first, what is left at the end, warm databases last, since nobody uses them.

import type { RolloutPolicy } from '../../../catalog/rollout-policy.ts';
import type { NewWave } from '../../../catalog/rollout-waves.ts';
import type { Target } from '../../../catalog/targets.ts';

type WaveWish = RolloutPolicy['waves'][number];
export type SpreadWaves = { waves: NewWave[]; waveOf: Map<Target, number> };

/** One tenant shows most mistakes, a tenth of them the rest. */
const defaultWaves: readonly WaveWish[] = [
  { name: 'canary', size: '1', bake_ms: 0 },
  { name: 'first tenth', size: '10%', bake_ms: 0 },
];

/**
 * Waves that get nobody are left out, so that the first one is always the canary.
 * @param membersOfGroup the databases of each group that a wave names
 */
export function spreadWaves(
  targets: readonly Target[],
  wished: readonly WaveWish[],
  membersOfGroup: ReadonlyMap<string, ReadonlySet<string>>,
): SpreadWaves {
  const left = new Set(targets.filter((target) => target.tenantId !== null));
  const waves: NewWave[] = [];
  const waveOf = new Map<Target, number>();
  const add = (wish: WaveWish, members: readonly Target[]) => {
    if (members.length === 0) return;
    for (const member of members) {
      waveOf.set(member, waves.length);
      left.delete(member);
    }
    waves.push({
      name: wish.name ?? wish.group ?? `wave ${waves.length + 1}`,
      group_name: wish.group ?? null,
      bake_ms: wish.bake_ms,
      concurrency: wish.concurrency ?? null,
      maintenance_window: wish.window ?? null,
    });
  };
  for (const wish of wished.length === 0 ? defaultWaves : wished) {
    const group = wish.group === undefined ? undefined : membersOfGroup.get(wish.group);
    const candidates = [...left].filter((target) => group === undefined || group.has(target.databaseId));
    const size = wish.size === undefined ? candidates.length : countOf(wish.size, targets.length);
    add(wish, candidates.slice(0, size));
  }
  add({ name: 'the rest', bake_ms: 0 }, [...left, ...targets.filter((target) => target.tenantId === null)]);
  return { waves, waveOf };
}

/** At least one: a wave of nobody would prove nothing. */
export function countOf(size: string, total: number): number {
  const count = size.endsWith('%') ? Math.ceil((total * Number(size.slice(0, -1))) / 100) : Number(size);
  return Math.max(1, count);
}
