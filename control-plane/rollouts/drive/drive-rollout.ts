// Owns moving a rollout on: members that went or came, waves that end, bake and begin inside their windows, the head of the
// lane behind the first wave, and the end. One transaction with the row of the rollout locked; runs as often as anybody likes.
import type { DatabaseId, ReleaseId, RolloutId } from '../../../catalog/ids.ts';
import type { CatalogDb, CatalogTx } from '../../../catalog/open-catalog.ts';
import { addLateMembers, markGone, nameTenants, setAsideClosed } from '../../../catalog/rollout-fleet.ts';
import type { Selection } from '../../../catalog/rollout-policy.ts';
import { endWave, finishBaked, startWave, type WaveWithCounts, wavesOf } from '../../../catalog/rollout-waves.ts';
import { lockRollout, moveRollout, type RolloutRow } from '../../../catalog/rollouts.ts';
import type { Log } from '../../../platform/log.ts';
import type { Lane } from '../../migration-files/migration-file.ts';
import { judgeRollout } from './judge-rollout.ts';
import { nextWaves } from './next-wave.ts';

export type DriveDeps = {
  readonly catalog: CatalogDb;
  readonly laneOf: (release: ReleaseId) => Promise<Lane>;
  /** Whom the selection names now, for those that came late. */
  readonly selected: (tx: CatalogTx, lane: string, selection: Selection) => Promise<readonly DatabaseId[]>;
  readonly moveHead: (tx: CatalogTx, lane: string, release: ReleaseId, actor: string) => Promise<void>;
  readonly log: Log;
};

export type Driven = {
  state: RolloutRow['state'];
  /** Members that a worker may take now or soon. */
  open: number;
  /** A wave was begun. */
  moved: boolean;
};

export async function driveRollout(deps: DriveDeps, id: RolloutId): Promise<Driven> {
  const before = await deps.catalog.selectFrom('rollouts').select('release_id').where('id', '=', id).executeTakeFirst();
  const target = before?.release_id ? await deps.laneOf(before.release_id) : undefined;
  return deps.catalog.transaction().execute(async (tx) => {
    const locked = await lockRollout(tx, id);
    if (locked.state !== 'running') return { state: locked.state, open: 0, moved: false };
    await markGone(tx, id);
    await setAsideClosed(tx, id);
    await nameTenants(tx, id);
    const { rollout } = await judgeRollout(tx, locked, target?.version ?? null);
    if (rollout.state !== 'running') return { state: rollout.state, open: 0, moved: false };
    await settleWaves(tx, id);
    let waves = await wavesOf(tx, id);
    if (waves[0]?.state === 'done' && target !== undefined) {
      await moveHead(deps, tx, rollout);
      if ((await followFleet(deps, tx, rollout, target, waves)) > 0) waves = await wavesOf(tx, id);
    }
    const next = nextWaves(waves, new Date());
    for (const position of next) await startWave(tx, id, position);
    const open = waves.reduce((sum, wave) => sum + wave.counts.pending + wave.counts.running, 0);
    if (open > 0 || waves.some((wave) => wave.state !== 'done') || next.length > 0)
      return { state: 'running', open, moved: next.length > 0 };
    const left = waves.some((wave) => wave.counts.failed + wave.counts.skipped > 0);
    const ended = await moveRollout(tx, rollout, { state: left ? 'finished' : 'succeeded' });
    deps.log.info({ rollout_id: id, state: ended.state }, 'rollout ended');
    return { state: ended.state, open: 0, moved: false };
  });
}

async function settleWaves(tx: CatalogTx, id: RolloutId): Promise<void> {
  for (const wave of await wavesOf(tx, id)) {
    if (wave.state === 'running' && wave.counts.pending + wave.counts.running === 0)
      await endWave(tx, id, wave.position);
    else if (wave.state === 'baking') await finishBaked(tx, id, wave.position);
  }
}

/** From here on a new tenant is born where the fleet is going. */
async function moveHead(deps: DriveDeps, tx: CatalogTx, rollout: RolloutRow): Promise<void> {
  const { moves_head, lane, release_id, actor } = rollout;
  if (!moves_head || release_id === null) return;
  const head = await tx.selectFrom('lane_heads').select('release_id').where('lane', '=', lane).executeTakeFirst();
  if (head?.release_id !== release_id) await deps.moveHead(tx, lane, release_id, actor);
}

async function followFleet(
  deps: DriveDeps,
  tx: CatalogTx,
  rollout: RolloutRow,
  { hash }: Lane,
  waves: readonly WaveWithCounts[],
): Promise<number> {
  // Not the hours of somebody else's group: a new tenant does not wait for them.
  const last = waves.findLast((wave) => wave.maintenance_window === null) ?? waves.at(-1);
  if (last === undefined) return 0;
  // Whom a list of databases names was known at the beginning.
  if (rollout.selection.databases !== undefined) return 0;
  const whole = Object.keys(rollout.selection).length === 0;
  const among = whole ? null : await deps.selected(tx, rollout.lane, rollout.selection);
  return addLateMembers(tx, rollout.id, { lane: rollout.lane, hash, wave: last.position, among });
}
