// Owns the order of versions. The version of a lane is the number that its last file begins with, in node-pg-migrate's order,
// so that its command line finds what was applied in the order it expects.

/** Null is open. */
export type VersionRange = { readonly min: string | null; readonly max: string | null };

/** Negative where a comes first. 17 digits are a moment in UTC and count as its epoch, as node-pg-migrate reads them. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numberOf(a), numberOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

export function inRange(version: string, { min, max }: VersionRange): boolean {
  return (min === null || compareVersions(version, min) >= 0) && (max === null || compareVersions(version, max) <= 0);
}

/** Digits only. A bigint: 20 digits do not fit a number. */
function numberOf(version: string): bigint {
  const utc = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})$/.exec(version);
  if (utc === null) return BigInt(version === '' ? 0 : version);
  const [year, month, day, hour, minute, second, ms] = utc.slice(1);
  const epoch = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
  return Number.isNaN(epoch) ? BigInt(version) : BigInt(epoch);
}
