// Maintenance windows in local time, over midnight and over the change to summer time.
import { expect, test } from 'vitest';
import { maintenanceWindowSchema } from '../../catalog/maintenance-window.ts';
import { isOpen, nextOpening, windowProblem } from '../../control-plane/rollouts/drive/windows.ts';

const window = (input: object) => maintenanceWindowSchema.parse(input);

test.each([
  // 2026-11-24 is a Tuesday.
  ['inside', { days: [2], from: '22:00', to: '23:00' }, '2026-11-24T22:30:00Z', true],
  ['its end is outside', { days: [2], from: '22:00', to: '23:00' }, '2026-11-24T23:00:00Z', false],
  ['another day', { days: [3], from: '22:00', to: '23:00' }, '2026-11-24T22:30:00Z', false],
  [
    'after midnight it is still the day on which it began',
    { days: [2], from: '22:00', to: '02:00' },
    '2026-11-25T01:00:00Z',
    true,
  ],
  [
    'the morning before does not belong to it',
    { days: [2], from: '22:00', to: '02:00' },
    '2026-11-24T01:00:00Z',
    false,
  ],
  ['Sunday after Saturday', { days: [6], from: '23:00', to: '01:00' }, '2026-11-29T00:30:00Z', true],
  ['in the zone', { timezone: 'Europe/Zurich', days: [2], from: '23:00', to: '23:59' }, '2026-11-24T22:30:00Z', true],
  [
    'in summer time',
    { timezone: 'Europe/Zurich', days: [2], from: '23:00', to: '23:59' },
    '2026-06-30T21:30:00Z',
    true,
  ],
  ['equal ends are a whole day', { days: [2], from: '06:00', to: '06:00' }, '2026-11-25T05:59:00Z', true],
])('%s', (_, input, at, open) => {
  expect(isOpen(window(input), new Date(at))).toBe(open);
});

test('no window is always open', () => {
  expect(isOpen(null, new Date(0))).toBe(true);
});

test.each([
  ['now, where it is open', { days: [2], from: '22:00', to: '23:00' }, '2026-11-24T22:30:00Z'],
  ['later this week', { days: [5], from: '22:00', to: '23:00' }, '2026-11-27T22:00:00.000Z'],
  ['in the zone', { timezone: 'Europe/Zurich', days: [0], from: '02:00', to: '03:00' }, '2026-11-29T01:00:00.000Z'],
  ['not before it is agreed', { not_before: '2026-12-05T20:15:00Z' }, '2026-12-05T20:15:00.000Z'],
])('opens %s', (_, input, at) => {
  expect(nextOpening(window(input), new Date('2026-11-24T22:30:00Z'))).toEqual(new Date(at));
});

test('a window in the past, and one whose days and hours are outside of its dates, never open', () => {
  const now = new Date('2026-11-24T22:30:00Z');
  expect(windowProblem(window({ not_after: '2026-11-24T22:30:00Z' }), now)).toContain('in the past');
  // A Wednesday, and a window of Fridays.
  const dates = { not_before: '2026-11-25T00:00:00Z', not_after: '2026-11-26T00:00:00Z' };
  expect(windowProblem(window({ ...dates, days: [5], from: '01:00', to: '02:00' }), now)).toContain('never open');
  expect(windowProblem(window({ ...dates, days: [3], from: '01:00', to: '02:00' }), now)).toBeUndefined();
  // The hour that the change to summer time leaves out, on that one day.
  const change = { timezone: 'Europe/Zurich', not_before: '2027-03-28T00:00:00Z', not_after: '2027-03-28T12:00:00Z' };
  expect(windowProblem(window({ ...change, days: [0], from: '02:10', to: '02:50' }), now)).toContain('never open');
});
