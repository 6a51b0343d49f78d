// Owns following one operation live: server-sent events, each with the whole operation, so that a lost connection costs nothing.
// The stream begins with the present state and ends by itself with a final one, or when the process stops.
import { z } from '@hono/zod-openapi';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import type { Caller } from '../../../catalog/caller.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import type { OperationId } from '../../../catalog/ids.ts';
import { findOperation, stepsOf } from '../../../catalog/operations.ts';
import { followChanges } from '../changes.ts';
import type { AdminApiDeps } from '../deps.ts';
import { idParam } from '../input-shapes.ts';
import { isFinal, type OperationWithSteps, presentOperationWithSteps } from '../present/operation.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

/** Proxies cut connections on which nothing moves for 30 to 60 s. */
const heartbeatMs = 15_000;

export const operationEventRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'get',
      path: '/v1/operations/{operation}/events',
      operationId: 'followOperation',
      tag: 'Operations',
      summary: 'Follow an operation live',
      description:
        'Server-sent events named `operation`, each with the operation and its steps as JSON. Ends after a final state. Last-Event-ID is accepted and not needed: the first event is always the present state.',
      access: ['viewer', 'sales', 'operator', 'dba', 'owner'],
      params: z.object({ operation: idParam('operation') }),
      answers: { 200: { description: 'The stream.', schema: z.string(), contentType: 'text/event-stream' } },
      faults: ['operation_not_found'],
    },
    async (deps, { c, params, caller }) => {
      const first = await readOperation(deps, params.operation, caller);
      c.header('x-accel-buffering', 'no');
      return streamSSE(c, (stream) => sendChanges(deps, stream, first, caller));
    },
  ),
];

async function sendChanges(
  deps: AdminApiDeps,
  stream: SSEStreamingApi,
  first: OperationWithSteps,
  caller: Caller,
): Promise<void> {
  const ended = new AbortController();
  const end = () => ended.abort();
  stream.onAbort(end);
  deps.stopping.addEventListener('abort', end, { once: true });
  const changes = followChanges(deps.changes, first.id as OperationId);
  try {
    let sent = '';
    let sentAtMs = deps.clock.monotonicMs();
    let eventId = 0;
    for (
      let latest = first;
      !ended.signal.aborted;
      latest = await readOperation(deps, first.id as OperationId, caller)
    ) {
      const data = JSON.stringify(latest);
      if (data !== sent) {
        sent = data;
        sentAtMs = deps.clock.monotonicMs();
        await stream.writeSSE({ event: 'operation', id: String(++eventId), data });
      } else if (deps.clock.monotonicMs() - sentAtMs >= heartbeatMs) {
        sentAtMs = deps.clock.monotonicMs();
        await stream.write(': still here\n\n');
      }
      if (isFinal(latest.state)) return;
      await changes.next(heartbeatMs, ended.signal);
    }
  } catch (error) {
    // The answer has begun, so no problem document can follow; the client reads the operation again.
    deps.log.warn({ err: error }, 'event stream of an operation ended early');
  } finally {
    changes.end();
    deps.stopping.removeEventListener('abort', end);
  }
}

async function readOperation(deps: AdminApiDeps, id: OperationId, caller: Caller): Promise<OperationWithSteps> {
  const row = await findOperation(deps.db, id);
  if (row === undefined) throw catalogFault('operation_not_found', 'There is no operation with this id.');
  return presentOperationWithSteps(row, await stepsOf(deps.db, id), caller.role);
}
