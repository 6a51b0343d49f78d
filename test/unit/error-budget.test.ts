// M07 Each rule of the budget by itself: what fires it, what does not, and the evidence it shows.
import { expect, test } from 'vitest';
import { rolloutPolicySchema } from '../../catalog/rollout-policy.ts';
import {
  type BudgetFigures,
  failuresTolerated,
  judge,
  roomInBudget,
} from '../../control-plane/rollouts/drive/error-budget.ts';

const quiet: BudgetFigures = {
  total: 200,
  failed: 0,
  failures: [],
  canary: null,
  slowestLock: null,
  medianMs: null,
  slowest: null,
  runtimes: null,
};
const policy = (budget: object, more: object = {}) => rolloutPolicySchema.parse({ budget, ...more });
const figures = (requests: number, errors: number, p99: number) => ({ requests, errors, p99_ms: p99 });

test.each([
  ['0', 200, 0],
  ['5', 200, 5],
  ['1%', 200, 2],
  ['1%', 30, 1],
  ['100%', 30, 30],
  ['5% max 10', 20, 1],
  ['5% max 10', 200, 10],
  ['5% max 10', 10_000, 10],
])('%s of %i members tolerates %i failures', (text, total, tolerated) => {
  expect(failuresTolerated(text, total)).toBe(tolerated);
});

test('what is not a budget of failures is refused', () => {
  for (const text of ['', '5 max 10', '5%max 10', '101%', '5% max', '-1', '5% max 1%'])
    expect(() => policy({ failures: text }), text).toThrow();
});

test.each<[string, object, object, Partial<BudgetFigures>, string | undefined]>([
  ['nothing happened', {}, {}, {}, undefined],
  ['as many failures as tolerated', { failures: '2' }, {}, { failed: 2 }, undefined],
  ['one more', { failures: '2' }, {}, { failed: 3 }, 'failures'],
  ['stop at the first', { failures: '100%' }, { on_failure: 'stop' }, { failed: 1 }, 'on_failure'],
  ['a failed canary', { failures: '1%' }, {}, { failed: 1, canary: { size: 1, failed: 1 } }, 'canary'],
  ['a failed canary of many', { failures: '5% max 10' }, {}, { failed: 1, canary: { size: 10, failed: 1 } }, 'canary'],
  ['as many of a canary', { failures: '20% max 1' }, {}, { failed: 1, canary: { size: 10, failed: 1 } }, undefined],
  ['one more than so many', { failures: '20% max 1' }, {}, { failed: 2, canary: { size: 10, failed: 2 } }, 'failures'],
  [
    'a budget that lets a canary fail',
    { failures: '100%' },
    {},
    { failed: 1, canary: { size: 1, failed: 1 } },
    undefined,
  ],
  ['one of a canary of five', { failures: '3' }, {}, { failed: 1, canary: { size: 5, failed: 1 } }, undefined],
  ['locks within', { lock_wait_ms: 100 }, {}, { slowestLock: { database_id: 'd', lock_wait_ms: 100 } }, undefined],
  ['locks beyond', { lock_wait_ms: 100 }, {}, { slowestLock: { database_id: 'd', lock_wait_ms: 101 } }, 'lock_wait_ms'],
  [
    'three times as slow, but within a second',
    { duration_factor: 2 },
    {},
    { medianMs: 100, slowest: { database_id: 'd', duration_ms: 300 } },
    undefined,
  ],
  [
    'slower than the canary',
    { duration_factor: 2 },
    {},
    { medianMs: 2_000, slowest: { database_id: 'd', duration_ms: 4_001 } },
    'duration_factor',
  ],
  [
    'errors at the new version',
    { error_rate: 0.01 },
    {},
    { runtimes: { target: figures(100, 2, 5), others: figures(100, 0, 5) } },
    'error_rate',
  ],
  [
    'too few requests to tell',
    { error_rate: 0.01 },
    {},
    { runtimes: { target: figures(10, 9, 5), others: figures(100, 0, 5) } },
    undefined,
  ],
  [
    'slower at the new version',
    { p99_factor: 2 },
    {},
    { runtimes: { target: figures(100, 0, 50), others: figures(100, 0, 20) } },
    'p99_factor',
  ],
  [
    'nobody to compare with',
    { p99_factor: 2 },
    {},
    { runtimes: { target: figures(100, 0, 50), others: figures(0, 0, 0) } },
    undefined,
  ],
  [
    'rules that are not set',
    {},
    {},
    {
      slowestLock: { database_id: 'd', lock_wait_ms: 9_999 },
      medianMs: 1,
      slowest: { database_id: 'd', duration_ms: 99_999 },
    },
    undefined,
  ],
])('M07 %s', (_, budget, more, change, rule) => {
  const verdict = judge(policy(budget, more), { ...quiet, ...change });
  expect(verdict?.rule).toBe(rule);
  if (rule !== undefined) expect(Object.keys(verdict?.evidence ?? {}).length).toBeGreaterThan(0);
});

test('M07 in flight is what the budget leaves and one more', () => {
  const two = policy({ failures: '2' });
  expect(roomInBudget(two, { total: 200, failed: 0 }, 0)).toBe(3);
  expect(roomInBudget(two, { total: 200, failed: 1 }, 1)).toBe(1);
  expect(roomInBudget(two, { total: 200, failed: 2 }, 1)).toBe(0);
  expect(roomInBudget(policy({ failures: '50' }, { on_failure: 'stop' }), { total: 200, failed: 0 }, 0)).toBe(1);
});
