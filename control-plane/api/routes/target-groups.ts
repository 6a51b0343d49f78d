// Owns target groups as a resource: saved selections with an order, a maintenance window and the wish for a second person.
import { z } from '@hono/zod-openapi';
import { maintenanceWindowSchema } from '../../../catalog/maintenance-window.ts';
import { selectionSchema } from '../../../catalog/rollout-policy.ts';
import {
  deleteTargetGroup,
  findTargetGroup,
  insertTargetGroup,
  listTargetGroups,
  updateTargetGroup,
} from '../../../catalog/target-groups.ts';
import { refuseBadGroup } from '../../rollouts/look/refuse-bad-group.ts';
import { etagOf, expectedVersion, ifMatchHeaders } from '../etag.ts';
import { plainText } from '../input-shapes.ts';
import { answerPage, pageQuery, pageSchema } from '../page.ts';
import { presentTargetGroup, targetGroupSchema } from '../present/target-group.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

const tag = 'Target groups';
const everybody = ['viewer', 'sales', 'operator', 'dba', 'owner'] as const;
export const groupNameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,62}$/, 'must be 2 to 63 characters: a-z, 0-9 and hyphens, beginning with a letter');
const groupParams = z.object({ group: groupNameSchema });
const members = {
  description: plainText(500).or(z.literal('')),
  selection: selectionSchema,
  position: z.int().min(-1_000_000).max(1_000_000),
  maintenance_window: maintenanceWindowSchema.nullable(),
  approval: z.boolean(),
};

export const newTargetGroupSchema = z
  .strictObject({
    name: groupNameSchema,
    description: members.description.default(''),
    selection: members.selection,
    position: members.position.default(0),
    maintenance_window: members.maintenance_window.default(null),
    approval: members.approval.default(false),
  })
  .openapi('NewTargetGroup');

export const targetGroupChangeSchema = z
  .strictObject({
    description: members.description.optional(),
    selection: members.selection.optional(),
    position: members.position.optional(),
    maintenance_window: members.maintenance_window.optional(),
    approval: members.approval.optional(),
  })
  .refine((change) => Object.keys(change).length > 0, 'must change something')
  .openapi('TargetGroupChange');

export const targetGroupRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'get',
      path: '/v1/target-groups',
      operationId: 'listTargetGroups',
      tag,
      summary: 'List target groups by name',
      access: everybody,
      query: z.object(pageQuery),
      answers: {
        200: { description: 'One page.', schema: pageSchema('TargetGroupPage', targetGroupSchema), headers: ['Link'] },
      },
      faults: ['cursor_invalid'],
    },
    async (deps, request) =>
      await answerPage(deps, request, {
        list: 'target-groups',
        filter: {},
        read: (page) => listTargetGroups(deps.db, page),
        keyOf: (row) => row.name,
        present: presentTargetGroup,
      }),
  ),
  defineRoute(
    {
      method: 'get',
      path: '/v1/target-groups/{group}',
      operationId: 'getTargetGroup',
      tag,
      summary: 'Read one target group',
      access: everybody,
      params: groupParams,
      answers: { 200: { description: 'The group.', schema: targetGroupSchema, headers: ['ETag'] } },
      faults: ['target_group_not_found'],
    },
    async (deps, { c, params }) => {
      const row = await findTargetGroup(deps.db, params.group);
      return c.json(presentTargetGroup(row), 200, { etag: etagOf(row) });
    },
  ),
  defineRoute(
    {
      method: 'post',
      path: '/v1/target-groups',
      operationId: 'createTargetGroup',
      tag,
      summary: 'Save a selection under a name',
      description:
        'A tenant of a group with a maintenance window is only migrated inside of it, whatever the rollout. Every rollout that touches a tenant of a group with `approval` waits for a second person.',
      access: ['dba', 'owner'],
      audit: 'target_group.create',
      body: newTargetGroupSchema,
      answers: { 201: { description: 'The group.', schema: targetGroupSchema, headers: ['Location', 'ETag'] } },
      faults: ['name_taken', 'selection_invalid', 'policy_invalid'],
    },
    async (deps, { c, body, caller }) => {
      const row = await deps.db.transaction().execute(async (tx) => {
        await refuseBadGroup(tx, body);
        return await insertTargetGroup(tx, body, caller);
      });
      return c.json(presentTargetGroup(row), 201, { location: `/v1/target-groups/${row.name}`, etag: etagOf(row) });
    },
  ),
  defineRoute(
    {
      method: 'patch',
      path: '/v1/target-groups/{group}',
      operationId: 'updateTargetGroup',
      tag,
      summary: 'Change a target group',
      description:
        '`selection` replaces the whole selection. A rollout that runs keeps its members and waves; those who join it late are chosen by the new one.',
      access: ['dba', 'owner'],
      audit: 'target_group.update',
      params: groupParams,
      headers: ifMatchHeaders,
      body: targetGroupChangeSchema,
      answers: { 200: { description: 'The group as it is now.', schema: targetGroupSchema, headers: ['ETag'] } },
      faults: ['target_group_not_found', 'stale_version', 'if_match_required', 'selection_invalid', 'policy_invalid'],
    },
    async (deps, { c, params, headers, body, caller }) => {
      const version = expectedVersion(headers);
      const row = await deps.db.transaction().execute(async (tx) => {
        await refuseBadGroup(tx, body);
        return await updateTargetGroup(tx, params.group, version, body, caller);
      });
      return c.json(presentTargetGroup(row), 200, { etag: etagOf(row) });
    },
  ),
  defineRoute(
    {
      method: 'delete',
      path: '/v1/target-groups/{group}',
      operationId: 'deleteTargetGroup',
      tag,
      summary: 'Delete a target group',
      description: 'Refused while a rollout that is not finished names it. Its tenants are not touched.',
      access: ['dba', 'owner'],
      audit: 'target_group.delete',
      params: groupParams,
      headers: ifMatchHeaders,
      answers: { 200: { description: 'The group as it was.', schema: targetGroupSchema } },
      faults: ['target_group_not_found', 'target_group_in_use', 'stale_version', 'if_match_required'],
    },
    async (deps, { c, params, headers, caller }) => {
      const version = expectedVersion(headers);
      const row = await deps.db.transaction().execute((tx) => deleteTargetGroup(tx, params.group, version, caller));
      return c.json(presentTargetGroup(row), 200);
    },
  ),
];
