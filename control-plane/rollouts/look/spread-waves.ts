// Owns the spreading of databases over waves: canary first, what is left at the end, warm databases last, since nobody uses them.
// A tenant of a group with a maintenance window is only ever in a wave with this window; those that no wave names come behind the
// rest, group by group, so that nobody else waits for their hours. A window that a wave itself is given goes before.
import type { RolloutPolicy } from '../../../catalog/rollout-policy.ts';
import type { NewWave } from '../../../catalog/rollout-waves.ts';
import type { Target } from '../../../catalog/targets.ts';
import type { PlanGroup } from './read-groups.ts';

type WaveWish = RolloutPolicy['waves'][number];
export type SpreadWaves = { waves: NewWave[]; waveOf: Map<Target, number> };

/** One tenant shows most mistakes, a tenth of them the rest. */
const defaultWaves: readonly WaveWish[] = [
  { name: 'canary', size: '1', bake_ms: 0 },
  { name: 'first tenth', size: '10%', bake_ms: 0 },
];

/**
 * Waves that get nobody are left out, so that the first one is always the canary.
 * @param groups in their order: those that a wave names and those with a window
 */
export function spreadWaves(
  targets: readonly Target[],
  wished: readonly WaveWish[],
  groups: ReadonlyMap<string, Pick<PlanGroup, 'members' | 'window'>>,
): SpreadWaves {
  const left = new Set(targets.filter((target) => target.tenantId !== null));
  const bound = boundTo(left, groups);
  const waves: NewWave[] = [];
  const waveOf = new Map<Target, number>();
  const add = (wish: WaveWish, members: readonly Target[], boundGroup?: string) => {
    if (members.length === 0) return;
    for (const member of members) {
      waveOf.set(member, waves.length);
      left.delete(member);
    }
    waves.push({
      name: wish.name ?? wish.group ?? `wave ${waves.length + 1}`,
      group_name: wish.group ?? boundGroup ?? null,
      bake_ms: wish.bake_ms,
      concurrency: wish.concurrency ?? null,
      maintenance_window: wish.window ?? groups.get(boundGroup ?? '')?.window ?? null,
    });
  };
  const boundGroups = () => [...groups.keys()].filter((name) => [...left].some((target) => bound.get(target) === name));
  for (const wish of wished.length === 0 ? defaultWaves : wished) {
    const group = wish.group === undefined ? undefined : groups.get(wish.group);
    const wanted = [...left].filter((target) => group === undefined || group.members.has(target.databaseId));
    const free = wish.window === undefined ? wanted.filter((target) => !bound.has(target)) : wanted;
    // With everybody bound it is a wave of the first group's, inside of its window.
    const boundGroup =
      free.length > 0 ? undefined : boundGroups().find((name) => wanted.some((it) => bound.get(it) === name));
    const candidates = boundGroup === undefined ? free : wanted.filter((target) => bound.get(target) === boundGroup);
    const size = wish.size === undefined ? candidates.length : countOf(wish.size, targets.length);
    add(wish, candidates.slice(0, size), boundGroup);
  }
  const free = [...left].filter((target) => !bound.has(target));
  add({ name: 'the rest', bake_ms: 0 }, [...free, ...targets.filter((target) => target.tenantId === null)]);
  for (const name of boundGroups()) {
    const members = [...left].filter((target) => bound.get(target) === name);
    add({ name, bake_ms: 0 }, members, name);
  }
  return { waves, waveOf };
}

/** The first group with a window that a target belongs to. */
function boundTo(targets: ReadonlySet<Target>, groups: Parameters<typeof spreadWaves>[2]): Map<Target, string> {
  const bound = new Map<Target, string>();
  for (const [name, { members, window }] of groups) {
    if (window === null) continue;
    for (const target of targets) if (members.has(target.databaseId) && !bound.has(target)) bound.set(target, name);
  }
  return bound;
}

/** At least one: a wave of nobody would prove nothing. */
export function countOf(size: string, total: number): number {
  const count = size.endsWith('%') ? Math.ceil((total * Number(size.slice(0, -1))) / 100) : Number(size);
  return Math.max(1, count);
}
