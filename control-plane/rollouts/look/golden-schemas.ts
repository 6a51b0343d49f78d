// Owns what the schema of a version must look like: the files of every lane applied to a scratch database and read once, by the
// same means as every tenant's. Kept in the catalog by version and major version of the server, whose words differ.
import { createHash } from 'node:crypto';
import { findGolden, findLanes, type GoldenSchema, storeGolden } from '../../../catalog/golden-schemas.ts';
import type { DatabaseId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import type { LaneVersions } from '../../../catalog/schema.ts';
import { laneHash } from '../../migration-files/lane-hash.ts';
import { type DatabaseSchema, schemaQueryHash } from '../../postgres/read-schema.ts';
import type { ScratchDatabases } from '../scratch/scratch-databases.ts';

export type GoldenDeps = {
  readonly catalog: CatalogDb;
  readonly scratch: ScratchDatabases;
  readonly readSchema: (id: DatabaseId) => Promise<DatabaseSchema>;
};

export type GoldenSchemas = {
  /** Undefined where no release has these files. @throws what making a scratch database throws */
  of(lanes: LaneVersions, serverMajor: number): Promise<GoldenSchema | undefined>;
};

export function createGoldenSchemas({ catalog, scratch, readSchema }: GoldenDeps): GoldenSchemas {
  const known = new Map<string, Promise<GoldenSchema | undefined>>();
  const make = async (key: string, versions: LaneVersions, serverMajor: number): Promise<GoldenSchema | undefined> => {
    const stored = await findGolden(catalog, key, serverMajor);
    if (stored !== undefined) return stored;
    const lanes = await findLanes(catalog, versions, laneHash);
    if (lanes === undefined) return undefined;
    const purpose = 'the schema of a version';
    const { fingerprint, objects } = await scratch.with({ serverMajor, lanes, purpose }, (id) => readSchema(id));
    await storeGolden(catalog, key, serverMajor, { fingerprint, objects });
    return { fingerprint, objects };
  };
  return {
    of(versions, serverMajor) {
      const key = lanesHash(versions);
      const name = `${key}/${serverMajor}`;
      let golden = known.get(name);
      if (golden === undefined) {
        golden = make(key, versions, serverMajor);
        known.set(name, golden);
        // Neither a failure nor an unknown version is for ever; and few versions are looked at at a time.
        void golden.then(
          (found) => found ?? known.delete(name),
          () => known.delete(name),
        );
        const [oldest] = known.keys();
        if (known.size > knownMax && oldest !== undefined) known.delete(oldest);
      }
      return golden;
    },
  };
}

/** A whole schema each, some hundred KiB at most. */
const knownMax = 16;

/** Of all lanes and of the text they are read by: a schema that an older Freehold has read says less. */
export function lanesHash(versions: LaneVersions): string {
  const lines = Object.entries(versions).map(([lane, { hash }]) => `${lane} ${hash}\n`);
  return createHash('sha256').update(schemaQueryHash).update(lines.sort().join('')).digest('hex');
}
