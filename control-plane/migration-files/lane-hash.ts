// Owns how the state of a lane is told in two words: the version (numeric prefix of the last file) and the hash over all
// files. Two databases have the same pair exactly when they hold the same files, unchanged and in the same order.
import { createHash } from 'node:crypto';
import { compareVersions } from '../../catalog/lane-versions.ts';
import type { LaneVersions } from '../../catalog/schema.ts';

/** The hash of a lane, or of what is applied of it. */
export function laneHash(files: readonly { name: string; hash: string }[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file.name}:${file.hash}\n`);
  return hash.digest('hex');
}

/** The hash of each beginning, from the first file to all of them: where a database on its way may stand. */
export function beginningHashes(files: readonly { name: string; hash: string }[]): string[] {
  const hash = createHash('sha256');
  return files.map((file) => hash.update(`${file.name}:${file.hash}\n`).copy().digest('hex'));
}

/** Where a database stands, by the files that are applied, in any order. */
export function versionsOf(applied: readonly { lane: string; name: string; hash: string }[]): LaneVersions {
  const versions: LaneVersions = {};
  for (const lane of new Set(applied.map((file) => file.lane))) {
    const files = applied.filter((file) => file.lane === lane).sort((a, b) => compareNames(a.name, b.name));
    versions[lane] = { version: stampOf(files.at(-1)?.name ?? ''), hash: laneHash(files) };
  }
  return versions;
}

/** The digits that a file name begins with: an index, an epoch or 17 digits of UTC. */
export function stampOf(name: string): string {
  return /^\d*/.exec(name)?.[0] ?? '';
}

/** Whether a lane that stands at this version has the file. */
export function isUpTo(name: string, version: string): boolean {
  return compareVersions(stampOf(name), version) <= 0;
}

/**
 * node-pg-migrate's order, so that its command line finds what we applied in the order it expects: by the number of the
 * prefix, where 17 digits are a moment in UTC and count as its epoch; then by the rest of the name.
 */
export function compareNames(a: string, b: string): number {
  return (
    compareVersions(stampOf(a), stampOf(b)) || a.localeCompare(b, 'en', { numeric: true, ignorePunctuation: true })
  );
}
