// Owns following one rollout live: server-sent events, `rollout` with waves and clusters, `failure` with each member that failed.
// The stream begins with the present state and ends by itself with a final one, or when the process stops; a lost connection
// costs nothing, for the first events say all again.
import { z } from '@hono/zod-openapi';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import type { Caller } from '../../../catalog/caller.ts';
import type { RolloutId } from '../../../catalog/ids.ts';
import { type FailureMark, failuresSince } from '../../../catalog/rollout-progress.ts';
import { followChanges } from '../changes.ts';
import type { AdminApiDeps } from '../deps.ts';
import { idParam } from '../input-shapes.ts';
import { isEnded, type RolloutView } from '../present/rollout.ts';
import { presentMember } from '../present/rollout-member.ts';
import { readProgress } from '../read-rollout.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

/** Proxies cut connections on which nothing moves for 30 to 60 s. */
const heartbeatMs = 15_000;
/** Members end without a notification, which would be one per database: they are counted so often while it runs. */
const countEveryMs = 500;
/** Failures in one look; the rest come with the next. */
const failuresMax = 100;

export const rolloutEventRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'get',
      path: '/v1/rollouts/{rollout}/events',
      operationId: 'followRollout',
      tag: 'Rollouts',
      summary: 'Follow a rollout live',
      description:
        'Server-sent events: `rollout` with the rollout, its waves and clusters (RolloutProgress), `failure` with each member that failed (RolloutMember). Ends after a final state. Last-Event-ID is accepted and not needed: the first events are always the present state and the failures so far.',
      access: ['viewer', 'sales', 'operator', 'dba', 'owner'],
      params: z.object({ rollout: idParam('rollout') }),
      answers: { 200: { description: 'The stream.', schema: z.string(), contentType: 'text/event-stream' } },
      faults: ['rollout_not_found'],
    },
    async (deps, { c, params, caller }) => {
      const first = await readProgress(deps, params.rollout);
      c.header('x-accel-buffering', 'no');
      return streamSSE(c, (stream) => follow(deps, stream, first, caller));
    },
  ),
];

async function follow(deps: AdminApiDeps, stream: SSEStreamingApi, first: RolloutView, caller: Caller): Promise<void> {
  const id = first.id as RolloutId;
  const ended = new AbortController();
  const end = () => ended.abort();
  stream.onAbort(end);
  deps.stopping.addEventListener('abort', end, { once: true });
  const changes = followChanges(deps.changes, id);
  const send = createSender(deps, stream, caller);
  try {
    for (let latest = first; !ended.signal.aborted; latest = await readProgress(deps, id)) {
      // A failure is told before the state that counts it, so that whoever sees the end has seen them all.
      await send.failures(id);
      await send.progress(latest);
      if (isEnded(latest.state)) return;
      await changes.next(latest.state === 'running' ? countEveryMs : heartbeatMs, ended.signal);
    }
  } catch (error) {
    // The answer has begun, so no problem document can follow; the client reads the rollout again.
    deps.log.warn({ err: error }, 'event stream of a rollout ended early');
  } finally {
    changes.end();
    deps.stopping.removeEventListener('abort', end);
  }
}

/** Sends what is new, and a sign of life where nothing is. */
function createSender(deps: AdminApiDeps, stream: SSEStreamingApi, { role }: Caller) {
  let sent = '';
  let sentAtMs = deps.clock.monotonicMs();
  let eventId = 0;
  let mark: FailureMark | undefined;
  const write = async (event: string, data: string): Promise<void> => {
    sentAtMs = deps.clock.monotonicMs();
    await stream.writeSSE({ event, id: String(++eventId), data });
  };
  return {
    async progress(rollout: RolloutView): Promise<void> {
      const data = JSON.stringify(rollout);
      if (data !== sent) {
        sent = data;
        await write('rollout', data);
      } else if (deps.clock.monotonicMs() - sentAtMs >= heartbeatMs) {
        sentAtMs = deps.clock.monotonicMs();
        await stream.write(': still here\n\n');
      }
    },
    async failures(id: RolloutId): Promise<void> {
      for (;;) {
        const failed = await failuresSince(deps.db, id, mark, failuresMax);
        for (const { member } of failed) await write('failure', JSON.stringify(presentMember(member, role)));
        mark = failed.at(-1)?.mark ?? mark;
        if (failed.length < failuresMax) return;
      }
    },
  };
}
