// Owns when a maintenance window is open: pure, in the local time of its zone, so that a change to summer time moves it as
// people expect. A window whose end is before its beginning belongs to the day on which it begins.
import type { MaintenanceWindow } from '../../../catalog/maintenance-window.ts';

/** No window is always open. */
export function isOpen(window: MaintenanceWindow | null, at: Date): boolean {
  if (window === null) return true;
  const { day, minute } = localTime(window.timezone, at);
  const from = minutesOf(window.from);
  const to = minutesOf(window.to);
  const yesterday = (day + 6) % 7;
  if (from < to) return window.days.includes(day) && minute >= from && minute < to;
  // Equal ends: the whole day from there.
  return (window.days.includes(day) && minute >= from) || (window.days.includes(yesterday) && minute < to);
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
