// Owns what people do to a rollout that is there: pause, resume, abort, approve, retry and skip members.
import { z } from '@hono/zod-openapi';
import type { CatalogFaultCode } from '../../../catalog/errors.ts';
import type { RolloutRow } from '../../../catalog/rollouts.ts';
import { abortRollout } from '../../rollouts/start/abort-rollout.ts';
import { approveRollout } from '../../rollouts/start/approve-rollout.ts';
import { pauseRollout } from '../../rollouts/start/pause-rollout.ts';
import { resumeRollout } from '../../rollouts/start/resume-rollout.ts';
import { retryMembers } from '../../rollouts/start/retry-members.ts';
import { skipMembers } from '../../rollouts/start/skip-members.ts';
import type { RouteDeps } from '../deps.ts';
import { idParam, plainText } from '../input-shapes.ts';
import { rolloutInFullSchema } from '../present/rollout.ts';
import { readInFull, wakeRollout } from '../read-rollout.ts';
import { type AdminRequest, type AdminRoute, defineRoute } from '../route.ts';

const tag = 'Rollouts';
const who = ['dba', 'owner'] as const;
const rolloutParams = z.object({ rollout: idParam('rollout') });

const names = z
  .array(z.string().regex(/^[A-Za-z0-9_-]{1,100}$/, 'must be a slug or an id'))
  .min(1)
  .max(10_000)
  .openapi({ description: 'Slugs or ids of tenants, or ids of databases.' });
const reasonSchema = z.strictObject({ reason: plainText(500).optional() }).openapi('RolloutReason');
const retrySchema = z
  .strictObject({ members: names.optional() })
  .openapi('RolloutRetry', { description: 'Without members: every one that failed.' });
const skipSchema = z.strictObject({ members: names, reason: plainText(500) }).openapi('RolloutSkip');

type ChangeSpec = {
  verb: string;
  operationId: string;
  summary: string;
  description?: string;
  faults?: CatalogFaultCode[];
};

/** The frame of all of them: change, wake whoever may go on, answer with the rollout as it is now. */
function changeRoute<B extends z.ZodType | undefined>(
  { verb, operationId, summary, description, faults = [] }: ChangeSpec,
  body: B,
  change: (
    deps: RouteDeps,
    request: AdminRequest<typeof who, typeof rolloutParams, undefined, undefined, B>,
  ) => Promise<RolloutRow>,
): AdminRoute {
  return defineRoute(
    {
      method: 'post',
      path: `/v1/rollouts/{rollout}/${verb}`,
      operationId,
      tag,
      summary,
      ...(description !== undefined && { description }),
      access: who,
      audit: `rollout.${verb}`,
      params: rolloutParams,
      ...(body !== undefined && { body }),
      answers: { 200: { description: 'The rollout as it is now.', schema: rolloutInFullSchema } },
      faults: ['rollout_not_found', 'rollout_not_in_state', ...faults],
    },
    async (deps, request) => {
      const given = request as unknown as Parameters<typeof change>[1];
      const row = await change(deps, given);
      wakeRollout(deps, row);
      return request.c.json(await readInFull(deps, row.id, given.caller), 200);
    },
  );
}

export const rolloutChangeRoutes: readonly AdminRoute[] = [
  changeRoute(
    {
      verb: 'pause',
      operationId: 'pauseRollout',
      summary: 'Take no further databases',
      description: 'What is in flight is finished and recorded.',
    },
    reasonSchema,
    (deps, { params, body, caller }) => pauseRollout(deps.db, params.rollout, caller, body.reason),
  ),
  changeRoute(
    {
      verb: 'resume',
      operationId: 'resumeRollout',
      summary: 'Go on with a paused or halted rollout',
      description: 'Whoever resumes a halted one has read its verdict: the error budget counts from here.',
    },
    reasonSchema,
    (deps, { params, body, caller }) => resumeRollout(deps.db, params.rollout, caller, body.reason),
  ),
  changeRoute(
    {
      verb: 'abort',
      operationId: 'abortRollout',
      summary: 'End a rollout where it is',
      description: 'What is migrated stays migrated; the members say who is where.',
    },
    reasonSchema,
    (deps, { params, body, caller }) => abortRollout(deps.db, params.rollout, caller, body.reason),
  ),
  changeRoute(
    {
      verb: 'approve',
      operationId: 'approveRollout',
      summary: 'Approve what another person has started',
      description:
        'A key stands for a person. The key that started the rollout, the key that made it and keys that it made cannot approve; whoever is given two keys by a third person can, so give every person one.',
      faults: ['approval_needs_second_person'],
    },
    undefined,
    (deps, { params, caller }) => approveRollout(deps.db, params.rollout, caller),
  ),
  changeRoute(
    {
      verb: 'retry',
      operationId: 'retryRolloutMembers',
      summary: 'Try failed members again',
      description: 'A finished rollout runs again for them; a paused or halted one waits for its resume.',
      faults: ['selection_invalid', 'rollout_in_progress'],
    },
    retrySchema,
    (deps, { params, body, caller }) => retryMembers(deps.db, params.rollout, caller, body.members),
  ),
  changeRoute(
    {
      verb: 'skip',
      operationId: 'skipRolloutMembers',
      summary: 'Leave members out, with a reason',
      faults: ['selection_invalid'],
    },
    skipSchema,
    (deps, { params, body, caller }) => skipMembers(deps.db, params.rollout, caller, body.members, body.reason),
  ),
];
