// Owns making a release of a lane: refused when it changes what an earlier one holds, before any database is touched (M05).
import { writeAudit } from '../../../catalog/audit.ts';
import type { Caller } from '../../../catalog/caller.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import { writeEvent } from '../../../catalog/events.ts';
import { becomeHeadIfFirst } from '../../../catalog/lane-heads.ts';
import type { CatalogDb, CatalogTx } from '../../../catalog/open-catalog.ts';
import {
  findReleaseByHash,
  insertRelease,
  listReleases,
  lockReleases,
  type NewRelease,
  type ReleaseFile,
  type ReleaseLane,
  type ReleaseRow,
  readLane,
} from '../../../catalog/releases.ts';

export type Registration = { release: ReleaseRow; isNew: boolean; isHead: boolean };
export type ReleaseRequest = Omit<NewRelease, 'name' | 'createdBy'> & {
  name?: string | undefined;
};

/**
 * The same content gives the release that is there. The first of a lane is its head; a later one waits for a rollout, so that new
 * databases never run ahead of the fleet.
 * @throws Fault release_history_changed, name_taken
 */
export function registerRelease(db: CatalogDb, request: ReleaseRequest, caller: Caller): Promise<Registration> {
  const { lane } = request;
  return db.transaction().execute(async (tx) => {
    await lockReleases(tx);
    const same = await findReleaseByHash(tx, lane.name, lane.hash);
    if (same !== undefined) return { release: same, isNew: false, isHead: await isHead(tx, same) };
    const earlier = await listReleases(tx, lane.name);
    await refuseChangedHistory(tx, lane);
    const name = freeName(request.name, lane, earlier);
    const release = await insertRelease(tx, { ...request, name, createdBy: caller.actor });
    await writeAudit(tx, caller, {
      action: 'release.create',
      targetType: 'release',
      targetId: release.id,
      detail: { lane: lane.name, name, version: lane.version, files: lane.files.length },
    });
    await writeEvent(tx, {
      type: 'release.created.v1',
      payload: { release_id: release.id, lane: lane.name, name, version: lane.version, hash: lane.hash },
    });
    return { release, isNew: true, isHead: await becomeHeadIfFirst(tx, lane.name, release.id, caller.actor) };
  });
}

/** @throws Fault release_history_changed, for an edited, missing, renamed or inserted file */
export async function refuseChangedHistory(db: CatalogDb | CatalogTx, lane: ReleaseLane): Promise<void> {
  for (const { id, name } of await listReleases(db, lane.name)) refuseChanges(await readLane(db, id), name, lane);
}

async function isHead(tx: CatalogTx, release: ReleaseRow): Promise<boolean> {
  const head = await tx
    .selectFrom('lane_heads')
    .select('release_id')
    .where('lane', '=', release.lane)
    .executeTakeFirst();
  return head?.release_id === release.id;
}

/** One of the two must be the beginning of the other: files are added at the end and never change. */
function refuseChanges(before: ReleaseLane, beforeName: string, now: ReleaseLane): void {
  const common = Math.min(before.files.length, now.files.length);
  for (let at = 0; at < common; at++) {
    const [was, is] = [before.files[at] as ReleaseFile, now.files[at] as ReleaseFile];
    if (was.name === is.name && was.hash === is.hash) continue;
    throw catalogFault(
      'release_history_changed',
      `${difference(was, is, now)} Release ${beforeName} has it otherwise.`,
    );
  }
}

function difference(was: ReleaseFile, is: ReleaseFile, now: ReleaseLane): string {
  if (was.name === is.name) return `${is.name} was edited after it had been released; add a new file instead.`;
  if (now.files.some((file) => file.name === was.name))
    return `${is.name} comes before ${was.name}, which is released already; give it a later number.`;
  return now.files.some((file) => file.hash === was.hash)
    ? `${was.name} was renamed.`
    : `${was.name} was released before and is missing now.`;
}

/** @throws Fault name_taken for a name that was asked for */
function freeName(asked: string | undefined, lane: ReleaseLane, earlier: readonly ReleaseRow[]): string {
  const taken = new Set(earlier.map((row) => row.name));
  if (asked === undefined) return taken.has(lane.version) ? `${lane.version}-${lane.hash.slice(0, 6)}` : lane.version;
  if (!taken.has(asked)) return asked;
  throw catalogFault('name_taken', `A release of the lane ${lane.name} has the name ${asked} already; choose another.`);
}
