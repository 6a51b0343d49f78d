// Owns looking at a rollout before it is begun: the whole plan with every reason that stands against it. Reads only.
import { z } from '@hono/zod-openapi';
import { findingsOfFiles, readFilesBeyond, readLane } from '../../../catalog/releases.ts';
import { unfinishedRollout } from '../../../catalog/rollouts.ts';
import type { Fault } from '../../../platform/errors.ts';
import { estimateRollout } from '../../rollouts/look/estimate-rollout.ts';
import { lookAtPlan } from '../../rollouts/look/plan-rollout.ts';
import type { RolloutPlan } from '../../rollouts/look/rollout-plan.ts';
import type { RouteDeps } from '../deps.ts';
import { filesOfPlan, presentPlannedRollout, rolloutPlanSchema } from '../present/rollout-plan.ts';
import { type AdminRoute, defineRoute } from '../route.ts';
import { newRolloutSchema } from './rollouts.ts';

export const rolloutPlanRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'post',
      path: '/v1/rollouts/plan',
      operationId: 'planRollout',
      tag: 'Rollouts',
      summary: 'See what a rollout would do, without beginning it',
      description:
        'Takes the body of a creation. Answers 200 whatever stands against it: `refusals` names all of it, and a creation answers with the first. Reads the catalog alone and connects to no database.',
      access: ['viewer', 'operator', 'dba', 'owner'],
      unaudited: 'It reads; a body says more than a query could.',
      query: z.object({ sql: z.enum(['true', 'false']).default('false') }),
      body: newRolloutSchema,
      answers: { 200: { description: 'The plan.', schema: rolloutPlanSchema } },
    },
    async (deps, { c, body, query }) => {
      const plan = await lookAtPlan(deps.db, body);
      const refusals = [...plan.refusals, ...(await heldBack(deps, plan))];
      const files = await filesOf(deps, plan, query.sql === 'true');
      // The linter reads what goes forward.
      const forward = files.filter(({ direction }) => direction === 'up').map(({ name }) => name);
      const parts = {
        estimate: await estimateRollout(deps.db, plan),
        files,
        findings: await findingsOfFiles(deps.db, plan.lane, forward),
      };
      return c.json(presentPlannedRollout({ ...plan, refusals }, parts), 200);
    },
  ),
];

/** Where nothing is to be done, nothing stands against it. */
async function heldBack({ db }: RouteDeps, { lane, members, refusals }: RolloutPlan): Promise<Fault[]> {
  if (members.length === 0 && refusals.length === 0) return [];
  const held = await unfinishedRollout(db, lane);
  return held === undefined ? [] : [held];
}

async function filesOf({ db }: RouteDeps, plan: RolloutPlan, sql: boolean) {
  if (plan.releaseId === null || plan.targets.length === 0) return [];
  const lane = await readLane(db, plan.releaseId);
  const beyond = plan.kind === 'rollback' ? await readFilesBeyond(db, lane) : [];
  return filesOfPlan(plan, { lane, beyond }, sql);
}
