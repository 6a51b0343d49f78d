// Owns what a process of the control plane does for rollouts: works on shares that it is nudged about, and drives. Made once
// for both roles, so that a worker that has nothing left to take drives by itself instead of waiting for the reconciler.
import type { RolloutId } from '../../../catalog/ids.ts';
import { type DriveDeps, type Driven, driveRollout } from '../drive/drive-rollout.ts';
import { type PumpDeps, type PumpEnd, pump } from './pump.ts';
import { settleLeft } from './settle-left.ts';

export type FleetWork = {
  drive(id: RolloutId): Promise<Driven>;
  pump(id: RolloutId, stop?: AbortSignal): Promise<PumpEnd>;
  /** Of rollouts that do not run any more. @returns how many members */
  settleLeft(): Promise<number>;
};

export function createFleetWork(deps: Omit<PumpDeps, 'drive'> & DriveDeps): FleetWork {
  const drive = (id: RolloutId) => driveRollout(deps, id);
  return {
    drive,
    pump: (id, stop) => pump({ ...deps, drive: async (of) => (await drive(of)).moved }, id, stop),
    settleLeft: () => settleLeft(deps),
  };
}
