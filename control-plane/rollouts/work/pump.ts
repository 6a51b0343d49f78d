// Owns one share of a rollout's work: up to twelve databases at once, turn by turn, until there is nothing to take. It stops
// taking the moment the rollout is not running any more or the process is to end; what is in flight is finished and recorded.
// While another rollout runs (of another lane) it gives its place away after some seconds, so that both go on.
import { setTimeout as sleep } from 'node:timers/promises';
import type { RolloutId } from '../../../catalog/ids.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import type { ClaimedMember, MemberResult } from '../../../catalog/rollout-members.ts';
import { handsOfPump } from '../../../catalog/rollout-shares.ts';
import { findRollout, type RolloutRow, runningRollouts } from '../../../catalog/rollouts.ts';
import type { Log } from '../../../platform/log.ts';
import { holdMembers, leaseDefaultMs } from './held-members.ts';
import { migrateMember } from './migrate-member.ts';
import type { FilesBeyond, LaneOf, Migrator } from './migrator.ts';
import { takeTurn } from './take-turn.ts';

export type PumpDeps = {
  readonly catalog: CatalogDb;
  readonly databases: Migrator;
  readonly laneOf: LaneOf;
  readonly filesBeyond: FilesBeyond;
  readonly log: Log;
  /** Names this process in the leases. */
  readonly holder: string;
  /** Moves the rollout on when nothing is left to take. @returns whether there may be more now */
  readonly drive: (id: RolloutId) => Promise<boolean>;
  readonly leaseMs?: number;
  /** After so long others get their turn. */
  readonly sliceMs?: number;
  /** For tests: before a database is touched. */
  readonly observe?: (member: ClaimedMember) => Promise<void>;
};

/** Long against the moment that a worker needs to come to rest, short for somebody who watches. */
const sliceDefaultMs = 2_000;

/** `more`: it made room for another rollout and wants to go on. */
export type PumpEnd = { members: number; more: boolean };

/** @throws what the catalog throws: members in hand are found by their leases */
export async function pump(deps: PumpDeps, rolloutId: RolloutId, stop?: AbortSignal): Promise<PumpEnd> {
  const { catalog, databases, log, holder, leaseMs = leaseDefaultMs, sliceMs = sliceDefaultMs } = deps;
  const first = await findRollout(catalog, rolloutId);
  if (first?.state !== 'running') return { members: 0, more: false };
  const target = await targetOf(deps, first);
  const held = holdMembers({ db: catalog, log, leaseMs }, rolloutId);
  const inFlight = new Set<Promise<void>>();
  let finished: MemberResult[] = [];
  let members = 0;
  let restAtMs = performance.now() + sliceMs;
  let resting = false;
  try {
    for (;;) {
      const results = finished;
      finished = [];
      const claimedAtMs = performance.now();
      if (claimedAtMs >= restAtMs) {
        resting = await othersRun(catalog, rolloutId);
        restAtMs = claimedAtMs + sliceMs;
      }
      const max = stop?.aborted === true || resting ? 0 : handsOfPump - inFlight.size;
      const version = target?.lane.version ?? null;
      const turn = await takeTurn(catalog, { rolloutId, version, results, holder, leaseMs, max });
      for (const member of turn.claimed) {
        members++;
        const signal = held.hold(member, claimedAtMs);
        const work = (async () => {
          await deps.observe?.(member);
          // First the result, then the array: it is another one by then.
          const result = await migrateMember(databases, turn.rollout, target, member, signal);
          finished.push(result);
          held.release(member.databaseId);
        })().finally(() => inFlight.delete(work));
        inFlight.add(work);
      }
      if (inFlight.size > 0) await nextResults(inFlight, performance.now() - claimedAtMs);
      else if (finished.length === 0 && resting) return { members, more: true };
      else if (finished.length === 0 && !(await goesOn(deps, rolloutId, stop))) return { members, more: false };
    }
  } finally {
    // Not left behind: whoever closes the process waits for what is in flight.
    await Promise.allSettled(inFlight);
    held.stop();
  }
}

/**
 * The first result, and what ends in as long again as a turn takes: turns of one result each would be half of the work, and hands
 * that are free so shortly lose nothing.
 */
async function nextResults(inFlight: ReadonlySet<Promise<void>>, turnMs: number): Promise<void> {
  await Promise.race(inFlight);
  if (inFlight.size > 0) await Promise.race([Promise.all(inFlight), sleep(turnMs)]);
}

async function targetOf({ laneOf, filesBeyond }: PumpDeps, { release_id, kind }: RolloutRow) {
  if (release_id === null) return undefined;
  const lane = await laneOf(release_id);
  return { lane, undo: kind === 'rollback' ? await filesBeyond(lane) : [] };
}

async function othersRun(catalog: CatalogDb, id: RolloutId): Promise<boolean> {
  return (await runningRollouts(catalog)).some((other) => other.id !== id);
}

async function goesOn({ drive }: PumpDeps, id: RolloutId, stop: AbortSignal | undefined): Promise<boolean> {
  return stop?.aborted !== true && (await drive(id));
}
