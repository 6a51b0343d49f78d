// Owns Idempotency-Keys: the key is claimed in the transaction of the request, so that the key and what it stands for (a tenant
// with its operation, or a rollout) exist together or not at all (P04). Keys belong to one principal.
import { sql } from 'kysely';
import { PostgresError } from '../platform/postgres/errors.ts';
import { catalogFault } from './errors.ts';
import type { OperationId, RolloutId, TenantId } from './ids.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';

/** As long as a client may reasonably go on repeating a request; the IETF draft leaves the time to the server. */
export const idempotencyKeyLifeHours = 24;

/** How long the second of two equal requests waits for the first; a start takes some 5 ms. */
const firstRequestWaitMs = 1_000;

/** What the first request with a key has made. */
export type IdempotencyResult = { tenantId: TenantId; operationId: OperationId } | { rolloutId: RolloutId };

export type IdempotencyClaim<R extends IdempotencyResult> = {
  principal: string;
  key: string;
  /** Of the route and the whole body, so that a key is never answered with another kind of thing. */
  requestHash: string;
  result: R;
};

/**
 * Claims the key for these ids, or returns the ids of the request that claimed it before.
 * @throws Fault idempotency_key_reused | idempotency_in_flight
 */
export async function claimIdempotencyKey<R extends IdempotencyResult>(
  tx: CatalogTx,
  claim: IdempotencyClaim<R>,
): Promise<R | undefined> {
  const { tenantId = null, operationId = null, rolloutId = null } = claim.result as Partial<Ids>;
  // The lock timeout is set by the statement that may have to wait; an expired key is taken over in place.
  const claimed = await sql<{ principal: string }>`
    insert into idempotency_keys as k (principal, key, request_hash, tenant_id, operation_id, rollout_id, expires_at)
    select ${claim.principal}, ${claim.key}, ${claim.requestHash}, ${tenantId}, ${operationId}, ${rolloutId},
           now() + ${idempotencyKeyLifeHours} * interval '1 hour'
    where set_config('lock_timeout', ${String(firstRequestWaitMs)}, true) is not null
    on conflict (principal, key) do update set request_hash = excluded.request_hash, tenant_id = excluded.tenant_id,
      operation_id = excluded.operation_id, rollout_id = excluded.rollout_id, created_at = now(), expires_at = excluded.expires_at
      where k.expires_at <= now()
    returning principal`
    .execute(tx)
    .catch((error: unknown) => {
      if (error instanceof PostgresError && error.sqlstate === '55P03') {
        throw catalogFault('idempotency_in_flight', 'The first request with this Idempotency-Key is still running.', {
          retryAfterMs: firstRequestWaitMs,
        });
      }
      throw error;
    });
  if (claimed.rows.length > 0) return undefined;
  const first = await tx
    .selectFrom('idempotency_keys')
    .select(['request_hash', 'tenant_id', 'operation_id', 'rollout_id'])
    .where('principal', '=', claim.principal)
    .where('key', '=', claim.key)
    .executeTakeFirstOrThrow();
  if (first.request_hash !== claim.requestHash) {
    throw catalogFault(
      'idempotency_key_reused',
      'This Idempotency-Key was sent before with a different body. Use a new key for a new request.',
    );
  }
  const ids = { tenantId: first.tenant_id, operationId: first.operation_id, rolloutId: first.rollout_id };
  const result = Object.fromEntries(Object.keys(claim.result).map((name) => [name, ids[name as keyof typeof ids]]));
  if (Object.values(result).includes(null)) throw new Error('an idempotency key without a result');
  return result as R;
}

type Ids = { tenantId: TenantId; operationId: OperationId; rolloutId: RolloutId };

/** Deletes a bounded number of expired keys; returns how many. */
export async function reapIdempotencyKeys(db: CatalogDb, max: number): Promise<number> {
  const reaped = await sql`
    delete from idempotency_keys where ctid = any (array(
      select ctid from idempotency_keys where expires_at <= now() limit ${max} for update skip locked))`.execute(db);
  return Number(reaped.numAffectedRows ?? 0);
}
