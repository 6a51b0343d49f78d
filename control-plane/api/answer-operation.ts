// Owns the answer to everything that takes more than one transaction: 202 with the operation, or, when the caller prefers to wait
// (RFC 7240, `Prefer: wait=N`) and the work ends well in that time, the finished resource.
import { z } from '@hono/zod-openapi';
import type { TenantId } from '../../catalog/ids.ts';
import { findOperation, type OperationRow } from '../../catalog/operations.ts';
import { findTenantWithDatabase } from '../../catalog/tenants.ts';
import { edgeFault } from '../../platform/edge-faults.ts';
import { followChanges } from './changes.ts';
import type { AdminApiDeps } from './deps.ts';
import { isFinal, operationSchema, presentOperation } from './present/operation.ts';
import { presentTenant, tenantSchema } from './present/tenant.ts';
import type { GuardedRequest, RouteAnswer } from './route.ts';

/** Longer than any provisioning that is going well, shorter than the patience of proxies and the request's own deadline. */
const waitSecMax = 60;

export const preferHeader = {
  prefer: z
    .string()
    .max(500)
    .optional()
    .openapi({
      description: `\`wait=N\` waits up to N seconds, at most ${waitSecMax}, for the end of the operation.`,
      example: 'wait=10',
    }),
};

export const tenantAndOperationSchema = z
  .object({ tenant: tenantSchema, operation: operationSchema })
  .openapi('TenantAndOperation');

/** The answers of every route that starts an operation on a tenant. */
export function startAnswers(doneStatus: 200 | 201): Record<number, RouteAnswer> {
  return {
    [doneStatus]: {
      description: 'Asked to wait, and done in that time.',
      schema: tenantAndOperationSchema,
      headers: ['Location', 'Preference-Applied', 'ETag'],
    },
    202: {
      description: 'Recorded and under way; follow the operation.',
      schema: tenantAndOperationSchema,
      headers: ['Location', 'Retry-After', 'ETag'],
    },
  };
}

export type Started = { tenantId: TenantId; operation: OperationRow; doneStatus: 200 | 201; replayed?: boolean };

export async function answerOperation(
  deps: AdminApiDeps,
  { c, caller, headers }: GuardedRequest & { headers: { prefer?: string | undefined } },
  started: Started,
): Promise<Response> {
  const waitSec = preferredWaitSec(headers.prefer);
  const operation = await nudgeAndWait(deps, started.operation, (waitSec ?? 0) * 1_000, c.get('deadline'));
  const row = await findTenantWithDatabase(deps.db, started.tenantId);
  if (row === undefined)
    throw edgeFault('internal', 'The tenant of an operation is missing.', { internal: started.tenantId });
  const tenant = presentTenant(row);
  const body = { tenant, operation: presentOperation(operation, caller.role) };
  c.header('etag', `"${tenant.version}"`);
  if (started.replayed) c.header('idempotent-replayed', 'true');
  if (waitSec !== undefined && operation.state === 'succeeded') {
    c.header('preference-applied', `wait=${waitSec}`);
    c.header('location', `/v1/tenants/${tenant.id}`);
    return c.json(body, started.doneStatus);
  }
  c.header('location', `/v1/operations/${operation.id}`);
  c.header('retry-after', '1');
  return c.json(body, 202);
}

/** Listens before it nudges, so that an operation that ends at once is not missed. */
async function nudgeAndWait(
  deps: AdminApiDeps,
  operation: OperationRow,
  waitMs: number,
  signal: AbortSignal,
): Promise<OperationRow> {
  if (isFinal(operation.state)) return operation;
  // Each step is announced too; only an end is worth a look.
  const changes = followChanges(deps.changes, operation.id, (state) => isFinal(state as OperationRow['state']));
  const untilMs = deps.clock.monotonicMs() + waitMs;
  try {
    void deps.wake(operation.id, operation.lane);
    let latest = operation;
    for (;;) {
      const leftMs = untilMs - deps.clock.monotonicMs();
      if (isFinal(latest.state) || leftMs <= 0 || signal.aborted || deps.stopping.aborted) return latest;
      await changes.next(leftMs, signal);
      latest = (await findOperation(deps.db, operation.id)) ?? latest;
    }
  } finally {
    changes.end();
  }
}

/** Undefined without a preference; unknown or malformed preferences are ignored, as RFC 7240 asks. */
export function preferredWaitSec(prefer: string | undefined): number | undefined {
  const text = /(?:^|,)\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:[,;]|$)/i.exec(prefer ?? '')?.[1];
  return text === undefined ? undefined : Math.min(Number(text), waitSecMax);
}
