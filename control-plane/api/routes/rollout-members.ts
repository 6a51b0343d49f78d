// Owns the members of a rollout as a list: which database is where, and what it answered.
import { z } from '@hono/zod-openapi';
import { catalogFault } from '../../../catalog/errors.ts';
import { memberStates } from '../../../catalog/rollout-policy.ts';
import { listMembers, memberKey } from '../../../catalog/rollout-progress.ts';
import { findRollout } from '../../../catalog/rollouts.ts';
import { idParam } from '../input-shapes.ts';
import { answerPage, pageQuery, pageSchema } from '../page.ts';
import { presentMember, rolloutMemberSchema } from '../present/rollout-member.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

export const rolloutMemberRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'get',
      path: '/v1/rollouts/{rollout}/members',
      operationId: 'listRolloutMembers',
      tag: 'Rollouts',
      summary: 'List the members of a rollout, wave by wave',
      access: ['viewer', 'sales', 'operator', 'dba', 'owner'],
      params: z.object({ rollout: idParam('rollout') }),
      query: z.object({
        ...pageQuery,
        state: z.enum(memberStates).optional(),
        wave: z
          .string()
          .regex(/^\d{1,4}$/, 'must be the position of a wave, from 0')
          .transform(Number)
          .optional()
          .openapi({ type: 'integer', minimum: 0 }),
        cluster: z
          .string()
          .regex(/^[A-Za-z0-9_-]{1,100}$/, 'must be an id or a name')
          .optional(),
      }),
      answers: {
        200: {
          description: 'One page.',
          schema: pageSchema('RolloutMemberPage', rolloutMemberSchema),
          headers: ['Link'],
        },
      },
      faults: ['rollout_not_found', 'cursor_invalid'],
    },
    async (deps, request) => {
      const { rollout } = request.params;
      const { state, wave, cluster } = request.query;
      if ((await findRollout(deps.db, rollout)) === undefined)
        throw catalogFault('rollout_not_found', 'There is no rollout with this id.');
      return await answerPage(deps, request, {
        list: `rollouts/${rollout}/members`,
        filter: { state, wave, cluster },
        read: (page) => listMembers(deps.db, rollout, { state, wave, cluster }, page),
        keyOf: (row) => memberKey(row),
        present: (row) => presentMember(row, request.caller.role),
      });
    },
  ),
];
