// Owns what a new database is brought to: the heads of the lanes as the catalog has them, not what the disk of this process holds.
import type { ReleaseId } from '../../catalog/ids.ts';
import { readHeads } from '../../catalog/lane-heads.ts';
import type { CatalogDb } from '../../catalog/open-catalog.ts';
import { readLane } from '../../catalog/releases.ts';
import type { Lane } from '../migration-files/migration-file.ts';

export type HeadLanes = () => Promise<readonly Lane[]>;

/** Asks each time which releases are the heads (one small query); what is in a release never changes. */
export function createHeadLanes(db: CatalogDb): HeadLanes {
  const known = new Map<ReleaseId, Promise<Lane>>();
  const laneOf = (release: ReleaseId): Promise<Lane> => {
    let lane = known.get(release);
    if (lane === undefined) {
      lane = readLane(db, release);
      known.set(release, lane);
      lane.catch(() => known.delete(release));
    }
    return lane;
  };
  return async () => Promise.all((await readHeads(db)).map(({ releaseId }) => laneOf(releaseId)));
}
