// Owns when a maintenance window is open: pure, in the local time of its zone, so that a change to summer time moves it as
// people expect. A window whose end is before its beginning belongs to the day on which it begins.
import type { MaintenanceWindow } from '../../../catalog/maintenance-window.ts';

/** No window is always open. */
export function isOpen(window: MaintenanceWindow | null, at: Date): boolean {
  if (window === null) return true;
  if (window.not_before !== undefined && at < new Date(window.not_before)) return false;
  if (window.not_after !== undefined && at >= new Date(window.not_after)) return false;
  const { day, minute } = localTime(window.timezone, at);
  const from = minutesOf(window.from);
  const to = minutesOf(window.to);
  const yesterday = (day + 6) % 7;
  if (from < to) return window.days.includes(day) && minute >= from && minute < to;
  // Equal ends: the whole day from there.
  return (window.days.includes(day) && minute >= from) || (window.days.includes(yesterday) && minute < to);
}

/** Every day of a week, and two for changes to summer time that leave a window out. */
const looksMax = 40;

/** The first moment from `after` on at which it is open, to the minute; null where it never is again. */
export function nextOpening(window: MaintenanceWindow, after: Date): Date | null {
  const earliest = window.not_before === undefined ? after : new Date(window.not_before);
  let at = earliest > after ? earliest : after;
  for (let look = 0; look < looksMax; look++) {
    if (window.not_after !== undefined && at >= new Date(window.not_after)) return null;
    if (isOpen(window, at)) return at;
    const { day, minute } = localTime(window.timezone, at);
    const from = minutesOf(window.from);
    const today = window.days.includes(day) && minute < from;
    at = new Date(Math.floor(at.getTime() / 60_000 + (today ? from - minute : 1_440 - minute)) * 60_000);
  }
  return null;
}

/** Why it can never open, in words; undefined where it can. */
export function windowProblem(window: MaintenanceWindow, now: Date): string | undefined {
  if (nextOpening(window, now) !== null) return undefined;
  if (window.not_after !== undefined && new Date(window.not_after) <= now)
    return `it lies in the past: it ended at ${window.not_after}. Give a later not_after.`;
  return 'it can never open: none of its days and hours lies between not_before and not_after.';
}

const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

function localTime(timezone: string, at: Date): { day: number; minute: number } {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(at);
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? '';
  return { day: weekdays.indexOf(part('weekday')), minute: Number(part('hour')) * 60 + Number(part('minute')) };
}

function minutesOf(clockTime: string): number {
  const [hours, minutes] = clockTime.split(':');
  return Number(hours) * 60 + Number(minutes);
}
