// Owns the parts of the client for rollouts and target groups: begin, follow and change a rollout, save selections under a name.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from '@hono/zod-openapi';
import type { JsonClient } from '../../platform/http/json-client.ts';
import type { Rollout, RolloutInFull, RolloutView } from '../api/present/rollout.ts';
import type { RolloutMember } from '../api/present/rollout-member.ts';
import type { RolloutPlanView } from '../api/present/rollout-plan.ts';
import type { TargetGroup } from '../api/present/target-group.ts';
import type { newRolloutSchema } from '../api/routes/rollouts.ts';
import type { newTargetGroupSchema, targetGroupChangeSchema } from '../api/routes/target-groups.ts';
import { type Change, type Get, ifMatch, listOf, segment } from './pages.ts';

export type NewRollout = z.input<typeof newRolloutSchema>;
export type NewTargetGroup = z.input<typeof newTargetGroupSchema>;
export type TargetGroupChange = z.input<typeof targetGroupChangeSchema>;
export type MemberQuery = {
  state?: RolloutMember['state'] | undefined;
  wave?: number | undefined;
  cluster?: string | undefined;
};
/** What a stream of a rollout tells. */
export type RolloutEvent = { rollout: RolloutView } | { failure: RolloutMember };

export function rolloutsOf(http: JsonClient, get: Get, change: Change) {
  const path = (id: string, verb = '') => `/v1/rollouts/${segment(id)}${verb}`;
  const read = (id: string) => get<RolloutInFull>(path(id));
  const because = (verb: string) => (id: string, reason?: string) =>
    change<RolloutInFull>('POST', path(id, verb), reason === undefined ? {} : { reason });
  return {
    ...listOf(get)<Rollout, { state?: Rollout['state'] | undefined; lane?: string | undefined }>('/v1/rollouts'),
    get: read,
    /** What it would do and what stands against it; begins nothing. */
    plan: async (rollout: NewRollout, { sql = false }: { sql?: boolean } = {}) =>
      (
        await http.send<RolloutPlanView>({
          method: 'POST',
          path: '/v1/rollouts/plan',
          query: { sql },
          body: rollout,
          repeatable: true,
        })
      ).body,
    /** Safe to lose the answer of: the request is repeated under its Idempotency-Key, a new one unless given. */
    create: async (rollout: NewRollout, { idempotencyKey = randomUUID() }: { idempotencyKey?: string } = {}) => {
      const headers = { 'idempotency-key': idempotencyKey };
      const answer = { method: 'POST', path: '/v1/rollouts', body: rollout, headers, repeatable: true } as const;
      return (await http.send<RolloutInFull>(answer)).body;
    },
    members: (id: string) => listOf(get)<RolloutMember, MemberQuery>(path(id, '/members')),
    pause: because('/pause'),
    resume: because('/resume'),
    abort: because('/abort'),
    approve: (id: string) => change<RolloutInFull>('POST', path(id, '/approve')),
    retry: (id: string, members?: string[]) =>
      change<RolloutInFull>('POST', path(id, '/retry'), members === undefined ? {} : { members }),
    skip: (id: string, members: string[], reason: string) =>
      change<RolloutInFull>('POST', path(id, '/skip'), { members, reason }),
    /** Each change as it happens and each failure, the present state and what failed so far first, a final state last. */
    follow: (id: string, signal?: AbortSignal) => followRollout(http, path(id, '/events'), signal),
  };
}

export function targetGroupsOf(get: Get, change: Change) {
  const path = (name: string) => `/v1/target-groups/${segment(name)}`;
  return {
    ...listOf(get)<TargetGroup>('/v1/target-groups'),
    get: (name: string) => get<TargetGroup>(path(name)),
    create: (group: NewTargetGroup) => change<TargetGroup>('POST', '/v1/target-groups', group),
    update: (name: string, body: TargetGroupChange, { version }: { version: number }) =>
      change<TargetGroup>('PATCH', path(name), body, ifMatch(version)),
    delete: (name: string, { version }: { version: number }) =>
      change<TargetGroup>('DELETE', path(name), undefined, ifMatch(version)),
  };
}

/** How long to wait before a stream that was cut is asked for again. */
const againMs = 1_000;

/** A stream that was cut is asked for again; what it tells once more is not told twice. */
async function* followRollout(
  http: JsonClient,
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<RolloutEvent> {
  let seen = '';
  const told = new Set<string>();
  for (;;) {
    try {
      for await (const { event, data } of http.events(path, signal)) {
        if (event === 'failure') {
          if (told.has(data)) continue;
          told.add(data);
          yield { failure: JSON.parse(data) as RolloutMember };
        } else if (data !== seen) {
          seen = data;
          const rollout = JSON.parse(data) as RolloutView;
          yield { rollout };
          if (isEnded(rollout)) return;
        }
      }
    } catch (error) {
      // A problem document is an answer; anything else is a stream that broke.
      if (error instanceof Error && error.name === 'ApiProblem') throw error;
      signal?.throwIfAborted();
    }
    await sleep(againMs, undefined, signal === undefined ? {} : { signal });
  }
}

function isEnded({ state }: RolloutView): boolean {
  return state === 'aborted' || state === 'succeeded' || state === 'finished';
}
