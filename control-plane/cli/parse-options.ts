// Owns the values of options as people write them: durations, sizes, labels, whole numbers. A value that does not fit stops the command
// before anything is sent, with the option's name in the message (commander adds it).
import { InvalidArgumentError } from 'commander';

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `500ms`, `60s`, `10m`, `24h`, `90d`; without a unit seconds. */
export function durationMs(text: string): number {
  const [, count, unit] = /^(\d{1,9})(ms|s|m|h|d)?$/.exec(text) ?? [];
  if (count === undefined) throw new InvalidArgumentError('Write a duration such as 30s, 10m or 90d.');
  return Number(count) * (unitMs[unit ?? 's'] as number);
}

const unitBytes: Readonly<Record<string, number>> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 };

/** `500MB`, `20GB`, as PostgreSQL counts: 1 kB is 1,024 bytes. Without a unit bytes. */
export function byteCount(text: string): number {
  const [, count, unit = 'B'] = /^(\d{1,12})\s?([kKMGT]?B)?$/.exec(text) ?? [];
  const bytes = Number(count) * (unitBytes[unit.toUpperCase()] as number);
  if (!Number.isSafeInteger(bytes) || bytes < 1) throw new InvalidArgumentError('Write a size such as 500MB or 20GB.');
  return bytes;
}

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`Write a whole number from ${min} to ${max}.`);
    return value;
  };
}

/** Repeatable `name=value`; the last one of a name counts. */
export function labelPairs(text: string, before: Record<string, string> = {}): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('Write name=value.');
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
}

/** Repeatable, and with commas. */
export function words(text: string, before: readonly string[] = []): string[] {
  const given = text.split(',').map((word) => word.trim());
  return [...before, ...given.filter((word) => word !== '')];
}

/** `12 ms`, `1.4 s`, `2 min 5 s`. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1_000)} s`;
}

/** `12 kB`, `1.4 GB`, as PostgreSQL counts. */
export function bytesText(bytes: number): string {
  for (const [unit, of] of [
    ['TB', 1024 ** 4],
    ['GB', 1024 ** 3],
    ['MB', 1024 ** 2],
  ] as const)
    if (bytes >= of) return `${(bytes / of).toFixed(1)} ${unit}`;
  return `${Math.round(bytes / 1024)} kB`;
}
