// Owns the schemas that versions must look like, each read once from a database made for it and then kept; and finding the files
// of a version by its hash alone.

import type { CatalogDb } from './open-catalog.ts';
import { type ReleaseLane, readLane } from './releases.ts';
import type { LaneVersions } from './schema.ts';

export type GoldenSchema = { fingerprint: string; objects: Record<string, string> };

export async function findGolden(
  db: CatalogDb,
  lanesHash: string,
  serverMajor: number,
): Promise<GoldenSchema | undefined> {
  return db
    .selectFrom('golden_schemas')
    .select(['fingerprint', 'objects'])
    .where('lanes_hash', '=', lanesHash)
    .where('server_major', '=', serverMajor)
    .executeTakeFirst();
}

/** Two that have made the same one at once have made the same. */
export async function storeGolden(
  db: CatalogDb,
  lanesHash: string,
  serverMajor: number,
  golden: GoldenSchema,
): Promise<void> {
  const { fingerprint, objects } = golden;
  await db
    .insertInto('golden_schemas')
    .values({ lanes_hash: lanesHash, server_major: serverMajor, fingerprint, objects: JSON.stringify(objects) })
    .onConflict((conflict) => conflict.columns(['lanes_hash', 'server_major']).doNothing())
    .execute();
}

/**
 * The files of each lane as some release has them, whole or as its beginning. Undefined: no release begins like this.
 * @param hashOf as control-plane/migration-files/lane-hash.ts
 */
export async function findLanes(
  db: CatalogDb,
  versions: LaneVersions,
  hashOf: (files: ReleaseLane['files']) => string,
): Promise<ReleaseLane[] | undefined> {
  const lanes: ReleaseLane[] = [];
  for (const [name, { version, hash }] of Object.entries(versions)) {
    const releases = await db
      .selectFrom('releases')
      .select('id')
      .where('lane', '=', name)
      .orderBy('created_at', 'desc')
      .execute();
    let found: ReleaseLane | undefined;
    for (const { id } of releases) {
      const lane = await readLane(db, id);
      // From the longest: it is most often the whole.
      for (let count = lane.files.length; count > 0 && found === undefined; count--) {
        const files = lane.files.slice(0, count);
        if (hashOf(files) === hash) found = { name, files, version, hash };
      }
      if (found !== undefined) break;
    }
    if (found === undefined) return undefined;
    lanes.push(found);
  }
  return lanes.sort((a, b) => Number(b.name === 'core') - Number(a.name === 'core') || (a.name < b.name ? -1 : 1));
}
