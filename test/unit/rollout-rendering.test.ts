// How a rollout is told, without a process: the block on a terminal and the lines of a log for 10 and for 10,000 databases, its
// pace, the reports, windows and policies as they are typed.
import { expect, test } from 'vitest';
import { displayWidth } from '../../control-plane/cli/paint.ts';
import { renderPlan } from '../../control-plane/cli/plan-display.ts';
import { policyOf } from '../../control-plane/cli/policy-options.ts';
import { createPlainRollout, failuresToldMax, renderRollout } from '../../control-plane/cli/rollout-display.ts';
import { createPace } from '../../control-plane/cli/rollout-pace.ts';
import { junitOf } from '../../control-plane/cli/rollout-reports.ts';
import { parseWindow, windowText } from '../../control-plane/cli/window-text.ts';
import type { RolloutMember, RolloutPlanView, RolloutView } from '../../control-plane/client.ts';

const plain = (_format: unknown, text: string) => text;
const none = { pending: 0, running: 0, done: 0, noop: 0, failed: 0, skipped: 0, gone: 0 };
type Counts = RolloutView['counts'];

const add = (all: readonly Counts[]): Counts =>
  all.reduce((sum, each) => {
    const entries = Object.entries(each).map(([state, count]) => [state, count + sum[state as keyof Counts]]);
    return Object.fromEntries(entries) as Counts;
  }, none);

/** @param done of all waves together */
function rollout(sizes: readonly number[], done: number, clusters = 2, more: Partial<RolloutView> = {}): RolloutView {
  let left = done;
  const waves = sizes.map((size, position) => {
    const ended = Math.min(size, left);
    left -= ended;
    const begun = ended > 0 || position === 0 || left > 0;
    const state = ended === size ? 'done' : begun ? 'running' : 'waiting';
    return {
      position,
      name: position === 0 ? 'canary' : `wave ${position + 1}`,
      group: null,
      state: state as 'done',
      bake_ms: 0,
      concurrency: null,
      maintenance_window: null,
      counts: { ...none, done: ended, pending: size - ended },
      started_at: null,
      ended_at: null,
      finished_at: null,
    };
  });
  const counts = add(waves.map((wave) => wave.counts));
  return {
    id: 'rlt_1',
    kind: 'migrate',
    lane: 'tenant',
    release_id: 'rel_1',
    release: '2',
    state: 'running',
    moves_head: true,
    verdict: null,
    approval: { required: false, by: null, at: null },
    members: sizes.reduce((sum, size) => sum + size, 0),
    counts,
    actor: 'key_1',
    request_id: null,
    created_at: '2026-11-25T12:00:00.000Z',
    started_at: null,
    finished_at: null,
    version: 1,
    waves,
    clusters: Array.from({ length: clusters }, (_, i) => ({
      id: `cls_${i}`,
      name: `cluster-${i}`,
      reachable: i !== 1,
      counts: { ...none, done, pending: 1 },
    })),
    ...more,
  };
}

const member = (more: Partial<RolloutMember> = {}): RolloutMember => ({
  database_id: 'dbs_1',
  tenant_id: 'tnt_1',
  slug: 'acme',
  cluster: { id: 'cls_1', name: 'one' },
  wave: 1,
  state: 'failed',
  attempts: 1,
  from_version: '1',
  to_version: null,
  duration_ms: 1_234,
  lock_wait_ms: null,
  requested_at: null,
  next_attempt_at: null,
  error: {
    code: 'migration_failed',
    message: 'could not create unique index "a<b"',
    sqlstate: '23505',
    file: '2_step',
    line: 3,
    state_of_database: 'unchanged',
    retryable: false,
  },
  skip_reason: null,
  started_at: null,
  finished_at: null,
  ...more,
});

const look = { paint: plain, spinner: '*', width: 100, pace: { perSec: 12.34, leftMs: 70_000 }, watchedMs: 5_000 };

test('10 databases: each wave and cluster with its bar, the pace and what is left', () => {
  const lines = renderRollout(rollout([1, 1, 8], 5), look);
  expect(lines).toEqual([
    '  ✓ canary     ████████████████████████ 1/1',
    '  ✓ wave 2     ████████████████████████ 1/1',
    '  * wave 3     █████████░░░░░░░░░░░░░░░ 3/8',
    '  · cluster-0  ████████████████████░░░░ 5/6',
    '  · cluster-1  ████████████████████░░░░ 5/6 away',
    '  running · 5 of 10 · 12.3/s · 1 min 10 s left · watched 5.0 s',
  ]);
});

test('10,000 databases on 40 clusters in 50 waves: the same height, no line wider than the terminal', () => {
  const many = rollout([1, ...Array<number>(49).fill(204)], 7_000, 40);
  const lines = renderRollout(many, { ...look, width: 60 });
  expect(lines.length).toBeLessThanOrEqual(20);
  for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(60);
  expect(lines[0]).toMatch(/✓ \d+ waves before/);
  expect(lines.some((line) => line.includes('* wave 36'))).toBe(true);
  expect(lines.join('\n')).toContain('more waves');
  expect(lines.join('\n')).toContain('32 more clusters');
  expect(lines.at(-1)).toContain('7000 of 9997');
});

test('in a log: a line when the wave changes, else one every five seconds, and failures up to a bound', () => {
  let nowMs = 0;
  const lines: string[] = [];
  const display = createPlainRollout(
    (line) => lines.push(line),
    () => nowMs,
  );
  for (let done = 0; done <= 10_000; done += 10) {
    display.update(rollout([1, 1_000, 8_999], done));
    nowMs += 50;
  }
  // 50 s: three waves begin, and a line every five seconds between.
  expect(lines.length).toBeLessThanOrEqual(15);
  expect(lines[0]).toBe('running: wave 1/3 canary running · 0 of 10000');
  expect(lines.some((line) => /^running: wave 3\/3 wave 3 running · \d+ of 10000 · 200\.0\/s · /.test(line))).toBe(
    true,
  );
  const before = lines.length;
  for (let i = 0; i < 500; i++) display.failed(member({ slug: `t-${i}` }));
  expect(lines.length).toBe(before + failuresToldMax + 1);
  expect(lines[before]).toBe('✗ t-0 on one: 23505 could not create unique index "a<b" in 2_step:3');
});

test('the pace is that of the last half minute, and says nothing of a rollout that does not run', () => {
  const paceOf = createPace();
  expect(paceOf(rollout([10_000], 0), 0)).toEqual({ perSec: 0, leftMs: null });
  for (let sec = 1; sec <= 60; sec++) paceOf(rollout([10_000], 10 * sec), sec * 1_000);
  expect(paceOf(rollout([10_000], 600), 60_000)).toEqual({ perSec: 10, leftMs: 940_000 });
  expect(paceOf(rollout([10_000], 600, 1, { state: 'paused' }), 60_000).leftMs).toBeNull();
});

test('a JUnit report: one test a database, failed, skipped and untouched ones told apart, text made safe', () => {
  const members = [
    member({ state: 'done', error: null, slug: 'fine' }),
    member({
      slug: 'a&b',
      error: { ...(member().error as object), message: 'bad \x1b <x>' } as RolloutMember['error'],
    }),
    member({ state: 'skipped', error: null, slug: 'left', skip_reason: 'by hand' }),
    member({ state: 'pending', error: null, slug: 'later' }),
  ];
  const xml = junitOf(rollout([4], 1), members);
  expect(xml).toContain(
    '<testsuite name="freehold migrate tenant rlt_1" tests="4" failures="1" skipped="2" errors="0">',
  );
  expect(xml).toContain('<testcase classname="one" name="fine" time="1.234"/>');
  expect(xml).toContain('name="a&amp;b" time="1.234"><failure type="23505" message="bad \uFFFD &lt;x&gt;">');
  expect(xml).toContain('<skipped message="by hand"/>');
  expect(xml).toContain('<skipped message="pending"/>');
});

test('windows as they are typed and read', () => {
  expect(parseWindow('Sat,Sun 02:00-04:00 Europe/Zurich')).toEqual({
    days: [6, 0],
    from: '02:00',
    to: '04:00',
    timezone: 'Europe/Zurich',
  });
  expect(parseWindow('22:00-02:00')).toEqual({ from: '22:00', to: '02:00' });
  expect(parseWindow('2026-12-05T22:00Z/2026-12-06T04:00Z')).toEqual({
    not_before: '2026-12-05T22:00:00.000Z',
    not_after: '2026-12-06T04:00:00.000Z',
  });
  for (const bad of ['night', 'Sut 02:00-04:00', '02:00', '2026-12-05T22:00Z/soon-T'])
    expect(() => parseWindow(bad), bad).toThrow();
  const daily = { timezone: 'UTC', days: [0, 1, 2, 3, 4, 5, 6], from: '02:00', to: '04:00' };
  expect([windowText(null), windowText(daily), windowText({ ...daily, days: [6, 0] })]).toEqual([
    'always',
    'daily 02:00-04:00 UTC',
    'sat,sun 02:00-04:00 UTC',
  ]);
});

test('flags become a policy; a window or a bake time is of every wave, the last one too', () => {
  expect(policyOf({})).toEqual({});
  expect(policyOf({ maxFailures: '0', maxLockWait: 500, maxSlower: 2, maxErrors: 0.01, maxP99: 1.5 })).toEqual({
    budget: { failures: '0', lock_wait_ms: 500, duration_factor: 2, error_rate: 0.01, p99_factor: 1.5 },
  });
  expect(
    policyOf({ canary: '2', wave: [{ size: '10%' }, { group: 'banks' }], maxFailures: '3', onDemand: true }),
  ).toEqual({
    waves: [{ name: 'canary', size: '2' }, { size: '10%' }, { group: 'banks' }],
    budget: { failures: '3' },
    on_demand: true,
  });
  const window = { from: '02:00', to: '04:00' };
  expect(policyOf({ bake: 60_000, window })).toEqual({
    waves: [
      { name: 'canary', size: '1', bake_ms: 60_000, window },
      { size: '10%', bake_ms: 60_000, window },
      { name: 'the rest', size: '100%', bake_ms: 60_000, window },
    ],
  });
});

test('a plan says what stands against it', () => {
  const plan: RolloutPlanView = {
    kind: 'migrate',
    lane: 'tenant',
    release: { id: 'rel_1', name: 'spring', version: '2', contract_requires: null },
    databases: 2,
    tenants: 1,
    already_there: 3,
    closed: 1,
    moves_head: true,
    approval: { required: true, groups: ['banks'] },
    versions: [{ version: '1', databases: 2 }],
    clusters: [
      { id: 'cls_1', name: 'one', databases: 2, already_there: 3, versions: [{ version: null, databases: 2 }] },
    ],
    waves: [
      {
        position: 0,
        name: 'canary',
        group: null,
        databases: 2,
        tenants: ['acme'],
        bake_ms: 60_000,
        concurrency: null,
        maintenance_window: null,
        opens_at: null,
      },
    ],
    files: [
      { name: '2_step', direction: 'up', transaction: true, databases: 2, program: false, statements: ['select 1;'] },
    ],
    findings: [],
    limits: { failures: 1, at_once: 2 },
    estimate: { ms: null, reason: 'no database has done this yet' },
    warnings: [{ code: 'databases_closed', message: '1 database is closed.' }],
    refusals: [{ code: 'contract_refused', message: '1 database is below version 2.' }],
  };
  const text = renderPlan(plan, plain, undefined);
  for (const part of [
    'migrate tenant to spring (2)\n2 databases, 1 of them of tenants; 3 there already, 1 closed',
    'one              2      3  none (2)',
    '   1  canary          2  1 min 0 s  always  acme, …',
    '↑ 2_step  in 2\n    select 1;\n',
    'unknown: no database has done this yet',
    '1 may fail, one more halts it; at most 2 at once',
    'a second person, for banks',
    '! 1 database is closed.',
    '✗ 1 database is below version 2. (contract_refused)',
  ])
    expect(text).toContain(part);
});

test('the wave whose hours have not come says which, and nobody guesses when it is over', () => {
  const window = { timezone: 'UTC', days: [6], from: '02:00', to: '04:00' };
  const waiting = rollout([1, 3, 2], 4);
  const waves = waiting.waves.map((wave, at) => (at === 2 ? { ...wave, maintenance_window: window } : wave));
  const pace = { perSec: 2, leftMs: 60_000 };
  const look = { paint: plain, spinner: '·', width: 100, pace, watchedMs: undefined };
  const lines = renderRollout({ ...waiting, waves }, look).join('\n');
  expect(lines).toContain('waits for sat 02:00-04:00');
  expect(lines).not.toContain('left');
  expect(renderRollout(waiting, look).join('\n')).toContain('left');
  expect(renderRollout({ ...waiting, waves, state: 'paused' }, look).join('\n')).not.toContain('waits for');
});
