// Owns maintenance windows as people write and read them: `Sat,Sun 02:00-04:00 Europe/Zurich`, or `2026-12-05T22:00Z/2026-12-06T04:00Z`.
import { InvalidArgumentError } from 'commander';
import type { TargetGroup } from '../client.ts';

export type Window = NonNullable<TargetGroup['maintenance_window']>;
/** As it is sent: what is left out gets its default on the server. */
export type WindowInput = Partial<Window>;

const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const form =
  'Write days, hours and zone as "Sat,Sun 02:00-04:00 Europe/Zurich", or two moments as 2026-12-05T22:00Z/2026-12-06T04:00Z.';

export function parseWindow(text: string): WindowInput {
  const [from, to, more] = text.split('/');
  if (from?.includes('T') && to !== undefined && more === undefined && to.includes('T'))
    return { not_before: momentOf(from), not_after: momentOf(to) };
  const [, names, begin, end, zone] =
    /^(?:([A-Za-z]{3}(?:,[A-Za-z]{3})*) +)?(\d\d:\d\d)-(\d\d:\d\d)(?: +(\S+))?$/.exec(text.trim()) ?? [];
  if (begin === undefined || end === undefined) throw new InvalidArgumentError(form);
  const chosen = names?.split(',').map((name) => days.indexOf(name.toLowerCase()));
  if (chosen?.includes(-1)) throw new InvalidArgumentError(`Write days as ${days.join(', ')}.`);
  return {
    from: begin,
    to: end,
    ...(chosen !== undefined && { days: chosen }),
    ...(zone !== undefined && { timezone: zone }),
  };
}

function momentOf(text: string): string {
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime())) throw new InvalidArgumentError(form);
  return moment.toISOString();
}

export function windowText(window: Window | null): string {
  if (window === null) return 'always';
  const { timezone, from, to, not_before, not_after } = window;
  const names = window.days.length === 7 ? 'daily' : window.days.map((day) => days[day]).join(',');
  const hours = from === to ? `from ${from}` : `${from}-${to}`;
  const bounds = [not_before && `not before ${not_before}`, not_after && `not after ${not_after}`].filter(Boolean);
  const whole = from === '00:00' && to === '00:00' && window.days.length === 7 && bounds.length > 0;
  return [...(whole ? [] : [`${names} ${hours} ${timezone}`]), ...bounds].join(', ');
}
