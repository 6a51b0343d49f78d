// Owns moving a rollout on: members that went or came, waves that end, bake and begin inside their windows, the head of the
// lane behind the first wave, and the end. One transaction with the row of the rollout locked; runs as often as anybody likes.
import type { ReleaseId, RolloutId } from '../../../catalog/ids.ts';
import type { CatalogDb, CatalogTx } from '../../../catalog/open-catalog.ts';
import { markGone, nameTenants, setAsideClosed } from '../../../catalog/rollout-fleet.ts';
import { endWave, finishBaked, startWave, wavesOf } from '../../../catalog/rollout-waves.ts';
import { lockRollout, moveRollout, type RolloutRow } from '../../../catalog/rollouts.ts';
import type { Log } from '../../../platform/log.ts';
import type { Lane } from '../../migration-files/migration-file.ts';
import { judgeRollout } from './judge-rollout.ts';
import { placeLate, type SearchDeps, searchLate } from './late-members.ts';
import { nextWaves } from './next-wave.ts';

export type DriveDeps = SearchDeps & {
  readonly catalog: CatalogDb;
  readonly laneOf: (release: ReleaseId) => Promise<Lane>;
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
    await placeLate(tx, locked, await nameTenants(tx, id));
    const { rollout } = await judgeRollout(tx, locked, target?.version ?? null);
    if (rollout.state !== 'running') return { state: rollout.state, open: 0, moved: false };
    await settleWaves(tx, id);
    let waves = await wavesOf(tx, id);
    if (waves[0]?.state === 'done' && target !== undefined) {
      await moveHead(deps, tx, rollout);
      const late = await searchLate(deps, tx, rollout, target);
      await placeLate(tx, rollout, late);
      if (late.length > 0) waves = await wavesOf(tx, id);
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
