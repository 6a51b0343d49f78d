// Owns the plan of a rollout: whom it touches, in which waves, and every reason why it may not begin. Reads the catalog and no
// database, so it costs the same for ten tenants and ten thousand, and may run inside of the transaction that creates the rollout.
import { checkSelection } from '../../../catalog/check-selection.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import type { RolloutKind } from '../../../catalog/fleet-schema.ts';
import type { CatalogDb } from '../../../catalog/open-catalog.ts';
import { findRelease, type ReleaseRow } from '../../../catalog/releases.ts';
import { isWholeFleet, selectTargets, type Target } from '../../../catalog/targets.ts';
import { type Fault, isFault } from '../../../platform/errors.ts';
import { nextOpening } from '../drive/windows.ts';
import { nothingToDo } from './nothing-to-do.ts';
import { policyRefusals } from './policy-refusals.ts';
import { approvingGroups, readGroups } from './read-groups.ts';
import {
  refuseBadStatement,
  refuseBeyond,
  refuseContract,
  refuseOneWay,
  refuseStrangers,
  runtimesBefore,
} from './refusals.ts';
import type { ClusterCount, RolloutPlan, RolloutRequest } from './rollout-plan.ts';
import { spreadWaves } from './spread-waves.ts';
import { type Stand, standsBy } from './where-they-stand.ts';

/** @throws Fault with the codes of catalog/fleet-errors.ts: nothing is written before all of them have passed */
export async function planRollout(db: CatalogDb, request: RolloutRequest): Promise<RolloutPlan> {
  const plan = await lookAtPlan(db, request);
  if (plan.refusals[0] !== undefined) throw plan.refusals[0];
  return plan;
}

/** Does not throw what a rollout is refused for: it collects. */
export async function lookAtPlan(db: CatalogDb, request: RolloutRequest): Promise<RolloutPlan> {
  const { kind, lane, statement, selection, policy } = request;
  const now = new Date();
  const refusals: Fault[] = await policyRefusals(policy, request, now);
  const idle = refusals.length === 0 ? await nothingToDo(db, request) : undefined;
  if (idle !== undefined) return idle;
  const unlessRefused = collectInto(refusals);
  await unlessRefused(() => checkSelection(db, selection, true), undefined);
  const meant = await unlessRefused(() => selectTargets(db, lane, selection), []);
  if (meant.length === 0 && refusals.length === 0)
    refusals.push(catalogFault('selection_empty', 'No tenant and no warm database matches the selection.'));
  const release = kind === 'exec' ? null : await unlessRefused(() => findRelease(db, lane, request.release), null);
  // Without a release nobody can say where they stand in relation to it.
  const selected = kind === 'exec' || release !== null ? meant : [];
  if (kind === 'exec') await unlessRefused(() => refuseBadStatement(statement), undefined);
  const standOf = release === null ? () => ({ at: 'there' }) as const : await standsBy(db, release);
  const wanted = selected.filter((target) => isWanted(kind, target, standOf));
  const targets = wanted.filter((target) => !target.closed);
  if (release !== null) await unlessRefused(() => refuseStrangers(targets, release, standOf), undefined);
  if (release !== null && kind === 'migrate') {
    await unlessRefused(() => refuseBeyond(targets, release, standOf), undefined);
    const fleet = release.contract_requires === null ? [] : await selectTargets(db, lane, {});
    await unlessRefused(() => refuseContract(db, release, fleet), undefined);
  }
  if (kind === 'rollback') await unlessRefused(() => refuseOneWay(targets, standOf), undefined);
  const groups = await unlessRefused(() => readGroups(db, lane, policy), new Map());
  const { waves, waveOf } = spreadWaves(targets, policy.waves, groups);
  const approvalGroups = approvingGroups(groups, targets);
  return {
    kind,
    lane,
    releaseId: release?.id ?? null,
    release,
    statement,
    movesHead: kind !== 'exec' && isWholeFleet(selection),
    selection,
    policy,
    approvalRequired: approvalGroups.length > 0,
    approvalGroups,
    waves,
    opensAt: waves.map(({ maintenance_window: window }) => (window === null ? null : nextOpening(window, now))),
    members: targets.map((target) => ({
      databaseId: target.databaseId,
      tenantId: target.tenantId,
      clusterId: target.clusterId,
      wave: waveOf.get(target) ?? 0,
    })),
    clusters: openByCluster(selected),
    targets,
    standOf,
    alreadyThere: selected.length - wanted.length,
    closed: wanted.length - targets.length,
    warnings: [...closedWarning(wanted.length - targets.length), ...(await runtimeWarning(db, release))],
    refusals,
  };
}

/** @returns what the act gives, or the other where it is refused; the refusal is kept */
function collectInto(refusals: Fault[]) {
  return async <T>(act: () => T | Promise<T>, other: T): Promise<T> => {
    try {
      return await act();
    } catch (error) {
      if (!isFault(error)) throw error;
      const isTold = refusals.some(({ code, message }) => code === error.code && message === error.message);
      if (!isTold) refusals.push(error);
      return other;
    }
  };
}

function openByCluster(selected: readonly Target[]): ClusterCount[] {
  return [...Map.groupBy(selected, (target) => target.clusterId)].map(([id, own]) => {
    const open = own.filter((target) => !target.closed).length;
    return { id, name: own[0]?.clusterName ?? '', open };
  });
}

/** A statement is for tenants; what stands behind a rollback's release has nothing to undo. */
function isWanted(kind: RolloutKind, target: Target, standOf: (target: Target) => Stand): boolean {
  if (kind === 'exec') return target.tenantId !== null;
  const { at } = standOf(target);
  return kind === 'rollback' ? at === 'beyond' || at === 'strange' : at !== 'there';
}

function closedWarning(closed: number): RolloutPlan['warnings'] {
  if (closed === 0) return [];
  const message = `${closed} databases are closed, their tenants are suspended or deleted; they are left out, and a later rollout takes them.`;
  return [{ code: 'databases_closed', message }];
}

async function runtimeWarning(db: CatalogDb, release: ReleaseRow | null): Promise<RolloutPlan['warnings']> {
  const refusing = release?.lane === 'tenant' ? await runtimesBefore(db, release.version) : [];
  if (refusing.length === 0) return [];
  const message = `${refusing.length} live runtimes will refuse migrated tenants, their range ends before ${release?.version}: ${refusing.join(', ')}.`;
  return [{ code: 'runtimes_refuse', message }];
}
