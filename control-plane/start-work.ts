// Owns the roles that work: workers, who run what they are nudged about, and reconcilers, who look by themselves.
import type { OperationId } from '../catalog/ids.ts';
import { moveHead } from '../catalog/lane-heads.ts';
import { readFilesBeyond, readLane } from '../catalog/releases.ts';
import { sharesOf } from '../catalog/rollout-shares.ts';
import { selectTargets } from '../catalog/targets.ts';
import type { Lifecycle } from '../platform/lifecycle.ts';
import type { Foundation } from './foundation.ts';
import { putInStock } from './operations/create-database.ts';
import type { StepMoment } from './operations/engine/engine-deps.ts';
import { runOperation } from './operations/engine/run-operation.ts';
import { createSpareSessions } from './operations/spare-sessions.ts';
import { stampIdentity } from './operations/steps/stamp-identity.ts';
import { allReconcilers } from './reconcilers/all-reconcilers.ts';
import { leftMembersReconciler } from './reconcilers/left-members.ts';
import { rolloutsReconciler } from './reconcilers/rollouts.ts';
import { createScheduler } from './reconcilers/scheduler.ts';
import { schemaDriftReconciler } from './reconcilers/schema-drift.ts';
import { createFleetLook } from './rollouts/look/fleet-look.ts';
import { createFleetWork } from './rollouts/work/fleet-work.ts';

/** Foreground and background have workers of their own, so that stock-keeping never takes the place of somebody who waits. */
export function startWorkers(foundation: Foundation): void {
  const { config, catalog, sealer, connections, queue, log, holder, watch } = foundation;
  const spares = createSpareSessions({ catalog: catalog.db, databases: connections.databases, log });
  const observe = async (moment: StepMoment) => {
    if (moment.moment === 'after' && changesStock.has(moment.step)) spares.stockChanged();
    await watch.step(moment);
  };
  const deps = { catalog: catalog.db, ...connections, sealer, log, wake: queue.wake, holder, observe };
  const run = async (id: OperationId) => void (await runOperation(deps, id));
  queue.work('foreground', config.foregroundConcurrency, run, { handOver: true });
  queue.work('background', config.backgroundConcurrency, run);
  const fleet = fleetWorkOf(foundation);
  queue.fleet.work(sharesOf(config.fleetConcurrency), async (id, stop) => (await fleet.pump(id, stop)).more);
  spares.start();
}

function fleetWorkOf({ catalog, connections, log, holder }: Foundation) {
  return createFleetWork({
    catalog: catalog.db,
    databases: connections.databases,
    laneOf: (release) => readLane(catalog.db, release),
    filesBeyond: (target) => readFilesBeyond(catalog.db, target),
    selected: async (tx, lane, selection) => (await selectTargets(tx, lane, selection)).map((it) => it.databaseId),
    moveHead,
    log,
    holder,
  });
}

const changesStock: ReadonlySet<string> = new Set([stampIdentity.name, putInStock.name]);

export async function startReconcilers(foundation: Foundation, lifecycle: Lifecycle): Promise<void> {
  const { catalog, sealer, connections, queue, log, holder, watch } = foundation;
  const fleet = fleetWorkOf(foundation);
  const rollouts = rolloutsReconciler({ drive: fleet.drive, wakeFleet: queue.fleet.wake });
  const look = createFleetLook({ catalog: catalog.db, ...connections, sealer, wake: queue.wake, log });
  const schemaDrift = schemaDriftReconciler({ drift: look.drift });
  const scheduler = createScheduler({
    reconcilers: [...allReconcilers, rollouts, leftMembersReconciler(fleet), schemaDrift],
    catalog: catalog.db,
    clusters: connections.clusters,
    sealer,
    wake: queue.wake,
    wakeAgain: queue.wakeAgain,
    log,
    holder,
    observe: watch.reconciler,
  });
  await lifecycle.add(
    'reconcilers',
    () => scheduler.start(),
    () => scheduler.close(),
  );
}
