// Owns the queries on rollouts themselves. Whoever decides about one locks its row first: people, workers and the driver take
// turns there, so a pause holds from the next claim on. Every change of state leaves its event in the same transaction.
import { type Selectable, sql } from 'kysely';
import type { Fault } from '../platform/errors.ts';
import { catalogFault } from './errors.ts';
import { type EventType, writeEvent } from './events.ts';
import type { RolloutsTable } from './fleet-schema.ts';
import type { RolloutId } from './ids.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
import { type RolloutState, unfinishedRolloutStates, type Verdict } from './rollout-policy.ts';

export type RolloutRow = Selectable<RolloutsTable>;

export async function findRollout(db: CatalogDb, id: RolloutId): Promise<RolloutRow | undefined> {
  return db.selectFrom('rollouts').selectAll().where('id', '=', id).executeTakeFirst();
}

/** @throws Fault rollout_not_found */
export async function lockRollout(tx: CatalogTx, id: RolloutId): Promise<RolloutRow> {
  const row = await tx.selectFrom('rollouts').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
  if (row === undefined) throw catalogFault('rollout_not_found', 'There is no rollout with this id.');
  return row;
}

export type RolloutFilter = { state?: RolloutState | undefined; lane?: string | undefined };

/** Newest first. */
export async function listRollouts(
  db: CatalogDb,
  filter: RolloutFilter,
  page: { after: string | undefined; limit: number },
): Promise<RolloutRow[]> {
  let query = db.selectFrom('rollouts').selectAll().orderBy('id', 'desc').limit(page.limit);
  if (filter.state !== undefined) query = query.where('state', '=', filter.state);
  if (filter.lane !== undefined) query = query.where('lane', '=', filter.lane);
  if (page.after !== undefined) query = query.where('id', '<', page.after as RolloutId);
  return query.execute();
}

export async function runningRollouts(db: CatalogDb): Promise<RolloutRow[]> {
  return db.selectFrom('rollouts').selectAll().where('state', '=', 'running').orderBy('id').execute();
}

/** @throws Fault rollout_in_progress with rollout_id */
export async function refuseSecondRollout(tx: CatalogTx, lane: string): Promise<void> {
  // Two that begin at once take turns: the second one sees the row of the first.
  await sql`select pg_advisory_xact_lock(hashtext('freehold rollouts of ' || ${lane}))`.execute(tx);
  const held = await unfinishedRollout(tx, lane);
  if (held !== undefined) throw held;
}

/** What a second rollout of the lane would be refused with now; undefined: there is none. */
export async function unfinishedRollout(db: CatalogDb, lane: string): Promise<Fault | undefined> {
  const held = await db
    .selectFrom('rollouts')
    .select(['id', 'state'])
    .where('lane', '=', lane)
    .where('state', 'in', unfinishedRolloutStates)
    .executeTakeFirst();
  if (held === undefined) return undefined;
  const text = `Another rollout of the lane ${lane} is ${held.state}. Wait for it, or resume or abort it.`;
  return catalogFault('rollout_in_progress', text, { extra: { rollout_id: held.id } });
}

/** @throws Fault rollout_not_in_state */
export function assertState(rollout: RolloutRow, allowed: readonly RolloutState[], what: string): void {
  if (allowed.includes(rollout.state)) return;
  const text = `A rollout that is ${rollout.state} cannot be ${what}; it would have to be ${allowed.join(' or ')}.`;
  throw catalogFault('rollout_not_in_state', text);
}

const eventOf: Partial<Record<RolloutState, EventType>> = {
  paused: 'rollout.paused.v1',
  halted: 'rollout.halted.v1',
  aborted: 'rollout.aborted.v1',
  succeeded: 'rollout.finished.v1',
  finished: 'rollout.finished.v1',
};

export type RolloutMove = {
  state: RolloutState;
  verdict?: Verdict | null;
  approvedBy?: string;
  /** Over what the row says, where a state has more than one way in. */
  event?: EventType;
};

/** Only with the row locked. */
export async function moveRollout(tx: CatalogTx, before: RolloutRow, move: RolloutMove): Promise<RolloutRow> {
  const { state, verdict, approvedBy } = move;
  const ended = state === 'aborted' || state === 'succeeded' || state === 'finished';
  const row = await tx
    .updateTable('rollouts')
    .set({
      state,
      version: sql`version + 1`,
      ...(verdict === undefined ? {} : { verdict: verdict === null ? null : JSON.stringify(verdict) }),
      ...(approvedBy === undefined ? {} : { approved_by: approvedBy, approved_at: sql<Date>`clock_timestamp()` }),
      ...(state === 'running'
        ? {
            started_at: sql<Date>`coalesce(started_at, clock_timestamp())`,
            budget_from: sql<Date>`clock_timestamp()`,
            finished_at: null,
          }
        : {}),
      ...(ended ? { finished_at: sql<Date>`clock_timestamp()` } : {}),
    })
    .where('id', '=', before.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  const type = move.event ?? eventOf[state];
  if (type !== undefined) await writeRolloutEvent(tx, row, type);
  return row;
}

export async function writeRolloutEvent(tx: CatalogTx, row: RolloutRow, type: EventType): Promise<void> {
  const { id, kind, lane, release_id, state, verdict } = row;
  await writeEvent(tx, { type, payload: { rollout_id: id, kind, lane, release_id, state, verdict } });
}

export type NamedRollout = RolloutRow & { release_name: string | null };

/** Beside each the name of its release. One query more, whatever their number. */
export async function nameReleases(db: CatalogDb, rollouts: readonly RolloutRow[]): Promise<NamedRollout[]> {
  const ids = rollouts.flatMap(({ release_id }) => (release_id === null ? [] : [release_id]));
  const named =
    ids.length === 0 ? [] : await db.selectFrom('releases').select(['id', 'name']).where('id', 'in', ids).execute();
  const names = new Map(named.map(({ id, name }) => [id, name]));
  return rollouts.map((row) => ({
    ...row,
    release_name: row.release_id === null ? null : (names.get(row.release_id) ?? null),
  }));
}
