// Owns the rows of the reconcilers: the lease that lets one process run each, when it is due, and what the last run found.
import { type Selectable, sql } from 'kysely';
import { writeAudit } from './audit.ts';
import type { Caller } from './caller.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
import type { ReconcilersTable } from './schema.ts';

export type ReconcilerRow = Selectable<ReconcilersTable>;

/** Named here because the API asks for its run when a plan has changed. */
export const roleSettingsName = 'role-settings';

export async function listReconcilers(db: CatalogDb): Promise<ReconcilerRow[]> {
  return db.selectFrom('reconcilers').selectAll().orderBy('name').execute();
}

/** Those of the names that may be run now, the ones that never ran among them. */
export async function dueReconcilers(db: CatalogDb, names: readonly string[]): Promise<string[]> {
  const rows = await sql<{ name: string }>`
    select n.name from unnest(${sql.val(names)}::text[]) as n (name) left join reconcilers r on r.name = n.name
    where r.name is null or (r.next_run_at <= now() and coalesce(r.lease_until <= now(), true))`.execute(db);
  return rows.rows.map((row) => row.name);
}

/**
 * Takes the lease when the reconciler is due (or `force`) and nobody holds it. One statement, also for a new name.
 * @returns false when it is not due or is held
 */
export async function acquireReconciler(
  db: CatalogDb,
  name: string,
  holder: string,
  leaseMs: number,
  force: boolean,
): Promise<boolean> {
  const taken = await sql`
    insert into reconcilers as r (name, lease_holder, lease_until, last_started_at)
    values (${name}, ${holder}, now() + ${leaseMs} * interval '1 millisecond', now())
    on conflict (name) do update set lease_holder = excluded.lease_holder, lease_until = excluded.lease_until,
      last_started_at = now()
      where (r.lease_until is null or r.lease_until <= now()) and (${force} or r.next_run_at <= now())
    returning name`.execute(db);
  return taken.rows.length > 0;
}

export type ReconcilerEnd =
  | { result: Record<string, unknown>; error?: undefined }
  | { result?: undefined; error: Record<string, unknown> };

/** Writes what the run found and when the next is due. Only the holder may. */
export async function finishReconciler(
  db: CatalogDb,
  name: string,
  holder: string,
  nextRunMs: number,
  end: ReconcilerEnd,
): Promise<void> {
  await db
    .updateTable('reconcilers')
    .set({
      lease_holder: null,
      lease_until: null,
      // What was asked for during the run may have come too late for it: that stays due.
      next_run_at: sql`case when next_run_at > last_started_at then least(next_run_at, now() + ${nextRunMs} * interval '1 millisecond')
        else now() + ${nextRunMs} * interval '1 millisecond' end`,
      runs: sql`runs + 1`,
      last_finished_at: sql`now()`,
      ...(end.error === undefined
        ? { last_result: JSON.stringify(end.result), last_error: null }
        : { last_error: JSON.stringify(end.error) }),
    })
    .where('name', '=', name)
    .where('lease_holder', '=', holder)
    .execute();
}

/** Asks it to run before its time: the scheduler looks every second. Undefined when no reconciler of this name ever ran. */
export async function requestReconcilerRun(
  tx: CatalogTx,
  name: string,
  caller: Caller,
): Promise<ReconcilerRow | undefined> {
  const row = await bringRunForward(tx, name);
  if (row !== undefined)
    await writeAudit(tx, caller, { action: 'reconciler.run', targetType: 'installation', targetId: name });
  return row;
}

/** The same as a part of another change, which has an audit entry of its own. One that never ran is due anyway. */
export async function bringRunForward(tx: CatalogTx, name: string): Promise<ReconcilerRow | undefined> {
  return tx
    .updateTable('reconcilers')
    .set({ next_run_at: sql`clock_timestamp()` })
    .where('name', '=', name)
    .returningAll()
    .executeTakeFirst();
}
