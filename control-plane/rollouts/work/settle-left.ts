// Owns finding out what became of members whose worker died after their rollout had been paused, halted or aborted: the worker
// that would take such a member again in a running rollout never comes. Looks into the database and records what it finds, so
// the report of the rollout and the catalog say what is there. Changes nothing in any database.
import type { RolloutId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { markGone, setAsideClosed } from '../../../catalog/rollout-fleet.ts';
import {
  claimLeft,
  type LeftMember,
  type MemberResult,
  recordResults,
  rolloutsWithLeft,
} from '../../../catalog/rollout-members.ts';
import { handsOfPump } from '../../../catalog/rollout-shares.ts';
import { lockRollout, type RolloutRow } from '../../../catalog/rollouts.ts';
import type { Log } from '../../../platform/log.ts';
import { leaseDefaultMs } from './held-members.ts';
import { blankResult } from './migrate-member.ts';
import type { LaneOf, Migrator } from './migrator.ts';

export type SettleDeps = {
  readonly catalog: CatalogDb;
  readonly databases: Pick<Migrator, 'standOf'>;
  readonly laneOf: LaneOf;
  readonly log: Log;
  readonly holder: string;
  readonly leaseMs?: number;
};

/** @returns how many members were settled; one that gives no answer now is asked again when its lease has run out */
export async function settleLeft(deps: SettleDeps): Promise<number> {
  let settled = 0;
  for (const id of await rolloutsWithLeft(deps.catalog)) settled += await settleRollout(deps, id);
  return settled;
}

async function settleRollout(deps: SettleDeps, id: RolloutId): Promise<number> {
  const { catalog, holder, leaseMs = leaseDefaultMs } = deps;
  const { rollout, left } = await catalog.transaction().execute(async (tx) => {
    const locked = await lockRollout(tx, id);
    // Into a closed database nobody can look; its tenant's resume does, and brings it to the heads.
    await markGone(tx, id);
    await setAsideClosed(tx, id);
    return { rollout: locked, left: await claimLeft(tx, id, { holder, leaseMs, max: handsOfPump }) };
  });
  const looked = await Promise.all(left.map((member) => look(deps, rollout, member)));
  const results = looked.filter((result) => result !== undefined);
  const recorded = await catalog.transaction().execute(async (tx) => {
    await lockRollout(tx, id);
    return recordResults(tx, id, results);
  });
  if (recorded.length > 0)
    deps.log.info({ rollout_id: id, databases: recorded }, 'members whose worker had died were looked at');
  return recorded.length;
}

async function look(
  { databases, laneOf, log }: SettleDeps,
  { id, kind, release_id }: RolloutRow,
  member: LeftMember,
): Promise<MemberResult | undefined> {
  try {
    const { lanes, ran } = await databases.standOf(member.databaseId, id);
    if (kind === 'exec') return { ...blankResult(member), state: ran ? 'done' : 'pending' };
    if (release_id === null) throw new TypeError('a rollout of a lane has a release');
    const target = await laneOf(release_id);
    const isThere = lanes[target.name]?.hash === target.hash;
    const toVersion = lanes[target.name]?.version ?? null;
    return { ...blankResult(member), state: isThere ? 'done' : 'pending', lanes, toVersion };
  } catch (err) {
    log.warn({ err, rollout_id: id, database_id: member.databaseId }, 'what became of a member cannot be seen now');
    return undefined;
  }
}
