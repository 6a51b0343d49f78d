// Owns where databases stand in relation to a release: on their way to it, at it, beyond it, or with files that no release has.

import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { type FileMark, markFiles } from '../../../catalog/release-beginnings.ts';
import type { ReleaseRow } from '../../../catalog/releases.ts';
import type { Target } from '../../../catalog/targets.ts';
import { beginningHashes } from '../../migration-files/lane-hash.ts';

export type Stand =
  | { at: 'behind'; files: number }
  | { at: 'there' }
  /** `undo`: what it holds beyond the release, the last one first. */
  | { at: 'beyond'; undo: readonly FileMark[] }
  | { at: 'strange' };

/** Two queries, whatever the number of databases and releases. */
export async function standsBy(db: CatalogDb, release: ReleaseRow): Promise<(target: Target) => Stand> {
  const marks = await markFiles(db, release.lane);
  const own = marks.get(release.id) ?? [];
  const behind = new Map(beginningHashes(own).map((hash, at) => [hash, at + 1]));
  const beyond = new Map<string, readonly FileMark[]>();
  for (const files of marks.values()) {
    const hashes = beginningHashes(files);
    if (hashes[own.length - 1] !== release.hash) continue;
    for (let end = own.length; end < files.length; end++)
      beyond.set(hashes[end] as string, files.slice(own.length, end + 1).reverse());
  }
  return ({ hash }) => {
    if (hash === release.hash) return { at: 'there' };
    if (hash === null) return { at: 'behind', files: 0 };
    const files = behind.get(hash);
    if (files !== undefined) return { at: 'behind', files };
    const undo = beyond.get(hash);
    return undo === undefined ? { at: 'strange' } : { at: 'beyond', undo };
  };
}
