// Owns which move of a tenant is allowed. Pure code: nobody else compares states to decide anything.
import { catalogFault } from './errors.ts';

export const tenantStates = [
  'provisioning',
  'active',
  'suspending',
  'suspended',
  'resuming',
  'deleting',
  'deleted',
  'purging',
  'purged',
  'failed',
] as const;
export type TenantState = (typeof tenantStates)[number];

/** What may be done to a tenant. The left half is asked for by people, the right half is reported by operations. */
export type TenantMove =
  | 'suspend'
  | 'resume'
  | 'delete'
  | 'undelete'
  | 'purge'
  | 'retry'
  | 'provisioned'
  | 'provisioning-failed'
  | 'suspended'
  | 'resumed'
  | 'undeleted-suspended'
  | 'undeleted-failed'
  | 'deleted'
  | 'purged'
  | 'resume-undone'
  | 'undelete-undone';

const moves: Readonly<Record<TenantMove, Partial<Record<TenantState, TenantState>>>> = {
  suspend: { active: 'suspending' },
  resume: { suspended: 'resuming' },
  delete: { active: 'deleting', suspended: 'deleting', failed: 'deleting' },
  undelete: { deleted: 'resuming' },
  purge: { deleted: 'purging' },
  retry: { failed: 'provisioning' },
  provisioned: { provisioning: 'active' },
  'provisioning-failed': { provisioning: 'failed' },
  suspended: { suspending: 'suspended' },
  resumed: { resuming: 'active' },
  'undeleted-suspended': { resuming: 'suspended' },
  'undeleted-failed': { resuming: 'failed' },
  deleted: { deleting: 'deleted' },
  purged: { purging: 'purged' },
  'resume-undone': { resuming: 'suspended' },
  'undelete-undone': { resuming: 'deleted' },
};

/**
 * The state after a move.
 * @throws Fault 'wrong_state' that names the state and what is possible from it.
 */
export function nextState(state: TenantState, move: TenantMove): TenantState {
  const next = moves[move][state];
  if (next !== undefined) return next;
  const possible = movesFrom(state);
  const hint = possible.length === 0 ? 'Nothing can be done with it.' : `From here one can: ${possible.join(', ')}.`;
  throw catalogFault('wrong_state', `The tenant is ${state}; '${move}' is not possible. ${hint}`, {
    extra: { state, possible },
  });
}

/** The moves a person may ask for in this state. */
export function movesFrom(state: TenantState): TenantMove[] {
  const asked: TenantMove[] = ['suspend', 'resume', 'delete', 'undelete', 'purge', 'retry'];
  return asked.filter((move) => moves[move][state] !== undefined);
}

/** Only an active tenant is served; every other state is refused by the runtime. */
export function isServed(state: TenantState): boolean {
  return state === 'active';
}

/** Every allowed (state, move, next) triple, for the diagram in README.md and for the tests. */
export function allMoves(): { from: TenantState; move: TenantMove; to: TenantState }[] {
  return Object.entries(moves).flatMap(([move, table]) =>
    Object.entries(table).map(([from, to]) => ({ from: from as TenantState, move: move as TenantMove, to })),
  );
}
