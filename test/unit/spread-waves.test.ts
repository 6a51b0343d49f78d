// Which database comes in which wave.
import { expect, test } from 'vitest';
import { newId } from '../../catalog/ids.ts';
import { maintenanceWindowSchema } from '../../catalog/maintenance-window.ts';
import type { Target } from '../../catalog/targets.ts';
import { countOf, spreadWaves } from '../../control-plane/rollouts/look/spread-waves.ts';

const target = (tenant: boolean): Target => ({
  databaseId: newId('database'),
  tenantId: tenant ? newId('tenant') : null,
  slug: tenant ? 'a' : null,
  state: 'active',
  clusterId: newId('cluster'),
  clusterName: 'one',
  version: null,
  hash: null,
  closed: false,
});
const many = (count: number, tenant = true) => Array.from({ length: count }, () => target(tenant));
const sizes = (targets: readonly Target[], waves: Parameters<typeof spreadWaves>[1], groups = new Map()) => {
  const spread = spreadWaves(targets, waves, groups);
  const counts = spread.waves.map((wave, at) => [
    wave.name,
    targets.filter((each) => spread.waveOf.get(each) === at).length,
  ]);
  expect(spread.waveOf.size).toBe(targets.length);
  return counts;
};

test('without a wish: one canary, a tenth, the rest; warm databases last', () => {
  expect(sizes([...many(5, false), ...many(40)], [])).toEqual([
    ['canary', 1],
    ['first tenth', 5],
    ['the rest', 39],
  ]);
  expect(sizes(many(1), [])).toEqual([['canary', 1]]);
  expect(sizes(many(2, false), [])).toEqual([['the rest', 2]]);
});

test('sizes, groups and what is left; nobody twice, no empty wave', () => {
  const targets = many(20);
  const pilots = new Set(targets.slice(10, 14).map((each) => each.databaseId));
  const waves = [
    { name: 'pilots', group: 'pilots', bake_ms: 60_000 },
    { group: 'pilots', bake_ms: 0 },
    { size: '50%', bake_ms: 0 },
  ];
  expect(sizes(targets, waves, new Map([['pilots', { members: pilots, window: null }]]))).toEqual([
    ['pilots', 4],
    ['wave 2', 10],
    ['the rest', 6],
  ]);
});

test('a size is a number or a percentage, never nobody', () => {
  expect([countOf('3', 100), countOf('10%', 100), countOf('0.5%', 100), countOf('0', 100)]).toEqual([3, 10, 1, 1]);
});

test('tenants of a group with a window are only in waves with it, behind the rest; a window of the wave goes before', () => {
  const targets = [...many(3, false), ...many(12)];
  const window = maintenanceWindowSchema.parse({ days: [0], from: '02:00', to: '04:00' });
  const banks = { members: new Set(targets.slice(3, 7).map((each) => each.databaseId)), window };
  const groups = new Map([['banks', banks]]);
  expect(sizes(targets, [], groups)).toEqual([
    ['canary', 1],
    ['first tenth', 2],
    ['the rest', 8],
    ['banks', 4],
  ]);
  const windows = (among: readonly Target[], waves: Parameters<typeof spreadWaves>[1]) =>
    spreadWaves(among, waves, groups).waves.map((wave) => wave.maintenance_window);
  expect(windows(targets, [])).toEqual([null, null, null, window]);
  expect(windows(targets, [{ group: 'banks', bake_ms: 0 }])).toEqual([window, null]);
  // Nobody but them: canary and all that follows inside of their window.
  expect(windows(targets.slice(3, 7), [])).toEqual([window, window, window]);
  const own = maintenanceWindowSchema.parse({ from: '10:00', to: '11:00' });
  expect(windows(targets, [{ size: '100%', window: own, bake_ms: 0 }])).toEqual([own, null]);
});
