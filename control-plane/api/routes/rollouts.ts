// Owns rollouts as a resource: begin, list, read. What people do to one is in rollout-changes.ts, its members in
// rollout-members.ts, following it live in rollout-events.ts.
import { z } from '@hono/zod-openapi';
import { newId } from '../../../catalog/ids.ts';
import {
  type RolloutPolicy,
  releaseNameSchema,
  rolloutPolicySchema,
  rolloutStates,
  type Selection,
  selectionSchema,
  statementSchema,
} from '../../../catalog/rollout-policy.ts';
import { countsOfRollouts } from '../../../catalog/rollout-progress.ts';
import { noMembers } from '../../../catalog/rollout-waves.ts';
import { listRollouts, nameReleases } from '../../../catalog/rollouts.ts';
import { holdTargetGroups } from '../../../catalog/target-groups.ts';
import { planRollout } from '../../rollouts/look/plan-rollout.ts';
import { createRollout } from '../../rollouts/start/create-rollout.ts';
import { idempotencyHeader, idempotencyOf } from '../idempotency-key.ts';
import { idParam } from '../input-shapes.ts';
import { answerPage, pageQuery, pageSchema } from '../page.ts';
import { presentRollout, rolloutInFullSchema, rolloutKinds, rolloutSchema } from '../present/rollout.ts';
import { readInFull, wakeRollout } from '../read-rollout.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

const tag = 'Rollouts';
const everybody = ['viewer', 'sales', 'operator', 'dba', 'owner'] as const;
export const laneSchema = z.enum(['core', 'tenant']);

export const newRolloutSchema = z
  .strictObject({
    kind: z.enum(rolloutKinds).default('migrate'),
    lane: laneSchema.default('tenant'),
    release: releaseNameSchema
      .default('latest')
      .openapi({ description: 'An id, a name, or `latest`. Not for an exec.' }),
    statement: statementSchema.nullable().default(null).openapi({ description: 'Of an exec: what runs once in each.' }),
    selection: selectionSchema.default({}).openapi({ description: 'Nothing given: the whole fleet.' }),
    policy: rolloutPolicySchema.prefault({}),
  })
  .openapi('NewRollout');

/** What a creation may be refused for, and what a plan names as its refusals. */
const rolloutFaults = [
  'release_not_found',
  'selection_invalid',
  'selection_empty',
  'target_group_not_found',
  'policy_invalid',
  'statement_refused',
  'contract_refused',
  'not_reversible',
  'release_behind',
  'release_history_changed',
  'rollout_in_progress',
] as const;

/** The groups that it stands on: none may go away before it exists. */
function groupsNamed({ group }: Selection, { waves }: RolloutPolicy): string[] {
  return [...new Set([group, ...waves.map((wave) => wave.group)].filter((name) => name !== undefined))];
}

export const rolloutRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'post',
      path: '/v1/rollouts',
      operationId: 'createRollout',
      tag,
      summary: 'Begin a rollout',
      description:
        'Migrates, rolls back or runs one statement in every database that the selection means, wave by wave, under an error budget. Nothing is begun unless everything holds. A lane has one rollout at a time. Repeating the request with the same Idempotency-Key and body gives the same rollout.',
      access: ['dba', 'owner'],
      audit: 'rollout.create',
      headers: z.object(idempotencyHeader('Required. New for each rollout that is meant.')),
      body: newRolloutSchema,
      answers: {
        201: {
          description: 'Begun, waiting for a second person, or (with nobody behind) already succeeded.',
          schema: rolloutInFullSchema,
          headers: ['Location', 'Idempotent-Replayed'],
        },
      },
      faults: ['idempotency_key_required', 'idempotency_key_reused', 'idempotency_in_flight', ...rolloutFaults],
    },
    async (deps, { c, body, headers, caller }) => {
      const idempotency = idempotencyOf(headers, { rollout: body });
      const id = newId('rollout');
      const row = await createRollout(
        deps.db,
        caller,
        body.lane,
        async (tx) => {
          await holdTargetGroups(tx, groupsNamed(body.selection, body.policy));
          return planRollout(tx, body);
        },
        { id, idempotency },
      );
      wakeRollout(deps, row);
      if (row.id !== id) c.header('idempotent-replayed', 'true');
      return c.json(await readInFull(deps, row.id, caller), 201, { location: `/v1/rollouts/${row.id}` });
    },
  ),
  defineRoute(
    {
      method: 'get',
      path: '/v1/rollouts',
      operationId: 'listRollouts',
      tag,
      summary: 'List rollouts, newest first',
      access: everybody,
      query: z.object({ ...pageQuery, state: z.enum(rolloutStates).optional(), lane: laneSchema.optional() }),
      answers: {
        200: { description: 'One page.', schema: pageSchema('RolloutPage', rolloutSchema), headers: ['Link'] },
      },
      faults: ['cursor_invalid'],
    },
    async (deps, request) => {
      const { state, lane } = request.query;
      return await answerPage(deps, request, {
        list: 'rollouts',
        filter: { state, lane },
        read: async (page) => {
          const rows = await nameReleases(deps.db, await listRollouts(deps.db, { state, lane }, page));
          const counts = await countsOfRollouts(
            deps.db,
            rows.map((row) => row.id),
          );
          return rows.map((row) => ({ row, counts: counts.get(row.id) ?? noMembers() }));
        },
        keyOf: ({ row }) => row.id,
        present: ({ row, counts }) => presentRollout(row, counts),
      });
    },
  ),
  defineRoute(
    {
      method: 'get',
      path: '/v1/rollouts/{rollout}',
      operationId: 'getRollout',
      tag,
      summary: 'Read one rollout with its waves and clusters',
      access: everybody,
      params: z.object({ rollout: idParam('rollout') }),
      answers: { 200: { description: 'The rollout.', schema: rolloutInFullSchema } },
      faults: ['rollout_not_found'],
    },
    async (deps, { c, params, caller }) => c.json(await readInFull(deps, params.rollout, caller), 200),
  ),
];
