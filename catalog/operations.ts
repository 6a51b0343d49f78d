// Owns the queries on operations and their steps. A run holds an operation by a lease with a fencing number: taking the
// lease raises the number, and every write of a run carries it, so the late writes of a run that lost the lease change
// nothing (P02). One write moves the operation and its steps together: a warm claim costs few round trips.
import { type Selectable, sql } from 'kysely';
import { catalogFault } from './errors.ts';
import type { DatabaseId, OperationId, TenantId } from './ids.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
import type { OperationError, OperationLane, OperationState, OperationStepsTable, OperationsTable } from './schema.ts';

export type OperationRow = Selectable<OperationsTable>;
export type OperationStepRow = Selectable<OperationStepsTable>;

export const unfinishedStates = ['pending', 'running', 'undoing'] as const satisfies OperationState[];

export type NewOperation = {
  id: OperationId;
  kind: string;
  lane: OperationLane;
  stepsTotal: number;
  tenantId?: TenantId | undefined;
  databaseId?: DatabaseId | undefined;
  input: Record<string, unknown>;
  facts?: Record<string, unknown>;
  actor: string;
  requestId?: string | undefined;
};

/** Fails on operations_one_per_tenant or _per_database where another one is unfinished; callers look first. */
export async function insertOperation(tx: CatalogTx, operation: NewOperation): Promise<OperationRow> {
  return tx
    .insertInto('operations')
    .values({
      id: operation.id,
      kind: operation.kind,
      lane: operation.lane,
      steps_total: operation.stepsTotal,
      tenant_id: operation.tenantId ?? null,
      database_id: operation.databaseId ?? null,
      input: JSON.stringify(operation.input),
      facts: JSON.stringify(operation.facts ?? {}),
      actor: operation.actor,
      request_id: operation.requestId ?? null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function findOperation(db: CatalogDb, id: OperationId): Promise<OperationRow | undefined> {
  return db.selectFrom('operations').selectAll().where('id', '=', id).executeTakeFirst();
}

/** @throws Fault operation_not_found */
export async function lockOperation(tx: CatalogTx, id: OperationId): Promise<OperationRow> {
  const row = await tx.selectFrom('operations').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
  if (row === undefined) throw catalogFault('operation_not_found', 'There is no operation with this id.');
  return row;
}

/** In order of position. Steps that did not apply have no row. */
export async function stepsOf(db: CatalogDb, id: OperationId): Promise<OperationStepRow[]> {
  return db.selectFrom('operation_steps').selectAll().where('operation_id', '=', id).orderBy('position').execute();
}

/** @throws Fault operation_in_progress with operation_id */
export async function refuseIfBusy(tx: CatalogTx, tenantId: TenantId): Promise<void> {
  const held = await tx
    .selectFrom('operations')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('state', 'in', unfinishedStates)
    .executeTakeFirst();
  if (held === undefined) return;
  throw catalogFault(
    'operation_in_progress',
    'Another operation on this tenant is not finished. Wait for it, then try again.',
    {
      extra: { operation_id: held.id },
      retryAfterMs: 1_000,
    },
  );
}

export type RecordedStep = { position: number; name: string; state: OperationStepRow['state'] };
export type LeasedOperation = OperationRow & { steps: RecordedStep[] };

/** Undefined when somebody else holds it, when it is finished, or when its next attempt is not due. */
export async function acquireLease(
  db: CatalogDb,
  id: OperationId,
  holder: string,
  leaseMs: number,
): Promise<LeasedOperation | undefined> {
  return db
    .updateTable('operations')
    .set({
      fence: sql`fence + 1`,
      lease_holder: holder,
      lease_until: sql`clock_timestamp() + ${leaseMs} * interval '1 millisecond'`,
      state: sql`case state when 'pending' then 'running' else state end`,
      started_at: sql`coalesce(started_at, now())`,
    })
    .where('id', '=', id)
    .where('state', 'in', unfinishedStates)
    .where((where) => where.or([where('lease_until', 'is', null), where('lease_until', '<=', sql<Date>`now()`)]))
    .where('next_attempt_at', '<=', sql<Date>`now()`)
    .returningAll()
    .returning(
      sql<RecordedStep[]>`coalesce((select jsonb_agg(jsonb_build_object('position', s.position, 'name', s.name,
        'state', s.state) order by s.position) from operation_steps s where s.operation_id = operations.id), '[]')`.as(
        'steps',
      ),
    )
    .executeTakeFirst();
}

/** False when the lease is no longer this run's. */
export async function renewLease(db: CatalogDb, id: OperationId, fence: number, leaseMs: number): Promise<boolean> {
  const renewed = await db
    .updateTable('operations')
    .set({ lease_until: sql`clock_timestamp() + ${leaseMs} * interval '1 millisecond'` })
    .where('id', '=', id)
    .where('fence', '=', fence)
    .where('lease_holder', 'is not', null)
    .returning('id')
    .executeTakeFirst();
  return renewed !== undefined;
}

export type StepMark = {
  position: number;
  name: string;
  state: OperationStepRow['state'];
  /** 1 when this mark is the beginning of an attempt. */
  attempts: 0 | 1;
  error?: OperationError;
};

export type RunRecord = {
  state: OperationState;
  stepsDone: number;
  stepsTotal: number;
  facts: object;
  /** Failures since the last progress. */
  attempt: number;
  error: OperationError | null;
  databaseId: DatabaseId | null;
  /** Keep the lease so long, or give it back and be due again after so long. */
  lease: { keepMs: number } | { releaseForMs: number };
  steps: readonly StepMark[];
};

/**
 * The one write of a run, in one statement.
 * @returns whether somebody has asked to cancel
 * @throws Fault lease_lost when another run holds the operation
 */
export async function recordRun(
  db: CatalogDb | CatalogTx,
  id: OperationId,
  fence: number,
  record: RunRecord,
): Promise<{ cancelRequested: boolean }> {
  const { lease } = record;
  const finished = record.state === 'succeeded' || record.state === 'failed' || record.state === 'cancelled';
  const keepMs = 'keepMs' in lease ? lease.keepMs : null;
  const releaseForMs = 'releaseForMs' in lease ? lease.releaseForMs : 0;
  const written = await sql<{ cancel_requested: boolean }>`
    with held as (
      update operations set state = ${record.state}, steps_done = ${record.stepsDone}, steps_total = ${record.stepsTotal},
        facts = ${JSON.stringify(record.facts)}, attempt = ${record.attempt},
        error = ${record.error === null ? null : JSON.stringify(record.error)}, database_id = ${record.databaseId},
        lease_until = clock_timestamp() + ${keepMs}::float8 * interval '1 millisecond',
        lease_holder = case when ${keepMs}::float8 is null then null else lease_holder end,
        next_attempt_at = case when ${keepMs}::float8 is null
          then clock_timestamp() + ${releaseForMs}::float8 * interval '1 millisecond' else next_attempt_at end,
        finished_at = case when ${finished} then clock_timestamp() end
      where id = ${id} and fence = ${fence} and lease_holder is not null and state in ('pending', 'running', 'undoing')
      returning id, cancel_requested
    ), marked as (
      insert into operation_steps as s (operation_id, position, name, state, attempts, fence, finished_at, error)
      select held.id, m.position, m.name, m.state, m.attempts, ${fence},
        case when m.state <> 'intended' then clock_timestamp() end, m.error
      from held, jsonb_to_recordset(${JSON.stringify(record.steps)}::jsonb)
        as m (position integer, name text, state text, attempts integer, error jsonb)
      on conflict (operation_id, position) do update set name = excluded.name, state = excluded.state,
        attempts = s.attempts + excluded.attempts, fence = excluded.fence, finished_at = excluded.finished_at,
        error = coalesce(excluded.error, s.error)
    )
    select cancel_requested from held`.execute(db);
  const row = written.rows[0];
  if (row === undefined) throw catalogFault('lease_lost', 'Another worker runs this operation now.');
  return { cancelRequested: row.cancel_requested };
}

/** Asks the run to stop at its next step. */
export async function requestCancel(tx: CatalogTx, id: OperationId): Promise<OperationRow> {
  return tx
    .updateTable('operations')
    .set({ cancel_requested: true, next_attempt_at: sql`now()` })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** A finished operation becomes a new one of the same id; the fencing number goes on. */
export async function reopenOperation(tx: CatalogTx, id: OperationId): Promise<OperationRow> {
  await tx.deleteFrom('operation_steps').where('operation_id', '=', id).where('state', '=', 'undone').execute();
  return tx
    .updateTable('operations')
    .set({
      state: 'pending',
      attempt: 0,
      error: null,
      // What was undone is chosen anew; what was half done (a drop) goes on with what it knew.
      facts: sql`case when kind in ('provision-tenant', 'create-database') then facts - '{avoid,databaseId}'::text[] else facts end`,
      cancel_requested: false,
      next_attempt_at: sql`now()`,
      finished_at: null,
    })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Due and held by nobody: the queue has lost them, or their worker died. Oldest first. */
export async function dueOperations(
  db: CatalogDb,
  limit: number,
  overdueMs = 0,
): Promise<{ id: OperationId; lane: OperationLane }[]> {
  const overdue = sql<Date>`now() - ${overdueMs} * interval '1 millisecond'`;
  return db
    .selectFrom('operations')
    .select(['id', 'lane'])
    .where('state', 'in', unfinishedStates)
    .where('next_attempt_at', '<=', overdue)
    .where((where) => where.or([where('lease_until', 'is', null), where('lease_until', '<=', sql<Date>`now()`)]))
    .orderBy('next_attempt_at')
    .limit(limit)
    .execute();
}

/** When a released operation may run again; undefined for one that is finished or held. */
export async function nextAttemptInMs(db: CatalogDb, id: OperationId): Promise<number | undefined> {
  const row = await db
    .selectFrom('operations')
    .select(sql<number>`greatest(extract(epoch from next_attempt_at - now()) * 1000, 0)::float8`.as('ms'))
    .where('id', '=', id)
    .where('state', 'in', unfinishedStates)
    .where('lease_holder', 'is', null)
    .executeTakeFirst();
  return row?.ms;
}

export type OperationFilter = {
  tenant_id?: TenantId | undefined;
  state?: OperationState | undefined;
  kind?: string | undefined;
};

export async function listOperations(
  db: CatalogDb,
  filter: OperationFilter,
  page: { after: string | undefined; limit: number },
): Promise<OperationRow[]> {
  let query = db.selectFrom('operations').selectAll().orderBy('id', 'desc').limit(page.limit);
  if (filter.tenant_id !== undefined) query = query.where('tenant_id', '=', filter.tenant_id);
  if (filter.state !== undefined) query = query.where('state', '=', filter.state);
  if (filter.kind !== undefined) query = query.where('kind', '=', filter.kind);
  if (page.after !== undefined) query = query.where('id', '<', page.after as OperationId);
  return await query.execute();
}
