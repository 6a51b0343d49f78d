// Owns operations as a resource: list, read with steps, cancel, retry. Following one live is in operation-events.ts.
import { z } from '@hono/zod-openapi';
import { catalogFault } from '../../../catalog/errors.ts';
import { findOperation, listOperations, stepsOf } from '../../../catalog/operations.ts';
import { cancelOperation } from '../../operations/start/cancel-operation.ts';
import { retryOperation } from '../../operations/start/retry-operation.ts';
import { idParam } from '../input-shapes.ts';
import { answerPage, pageQuery, pageSchema } from '../page.ts';
import {
  operationSchema,
  operationStates,
  operationWithStepsSchema,
  presentOperation,
  presentOperationWithSteps,
} from '../present/operation.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

const tag = 'Operations';
const operationParams = z.object({ operation: idParam('operation') });

export const operationRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'get',
      path: '/v1/operations',
      operationId: 'listOperations',
      tag,
      summary: 'List operations, newest first',
      access: ['viewer', 'sales', 'operator', 'dba', 'owner'],
      query: z.object({
        ...pageQuery,
        tenant_id: idParam('tenant').optional(),
        state: z.enum(operationStates).optional(),
        kind: z
          .string()
          .regex(/^[a-z][a-z-]{1,62}$/, 'must be the name of a kind, such as provision-tenant')
          .optional(),
      }),
      answers: {
        200: { description: 'One page.', schema: pageSchema('OperationPage', operationSchema), headers: ['Link'] },
      },
      faults: ['cursor_invalid'],
    },
    async (deps, request) => {
      const { tenant_id, state, kind } = request.query;
      const filter = { tenant_id, state, kind };
      return await answerPage(deps, request, {
        list: 'operations',
        filter,
        read: (page) => listOperations(deps.db, filter, page),
        keyOf: (row) => row.id,
        present: (row) => presentOperation(row, request.caller.role),
      });
    },
  ),
  defineRoute(
    {
      method: 'get',
      path: '/v1/operations/{operation}',
      operationId: 'getOperation',
      tag,
      summary: 'Read one operation with its steps',
      access: ['viewer', 'sales', 'operator', 'dba', 'owner'],
      params: operationParams,
      answers: { 200: { description: 'The operation.', schema: operationWithStepsSchema } },
      faults: ['operation_not_found'],
    },
    async (deps, { c, params, caller }) => {
      const row = await findOperation(deps.db, params.operation);
      if (row === undefined) throw catalogFault('operation_not_found', 'There is no operation with this id.');
      return c.json(presentOperationWithSteps(row, await stepsOf(deps.db, row.id), caller.role), 200);
    },
  ),
  defineRoute(
    {
      method: 'post',
      path: '/v1/operations/{operation}/cancel',
      operationId: 'cancelOperation',
      tag,
      summary: 'Ask an operation to stop and undo what it did',
      access: ['operator', 'owner'],
      audit: 'operation.cancel',
      params: operationParams,
      answers: {
        202: { description: 'Asked; it stops between two steps.', schema: operationSchema, headers: ['Location'] },
      },
      faults: ['operation_not_found', 'not_cancellable'],
    },
    async (deps, { c, params, caller }) => {
      const row = await cancelOperation(deps.db, params.operation, caller);
      void deps.wake(row.id, row.lane);
      return c.json(presentOperation(row, caller.role), 202, { location: `/v1/operations/${row.id}` });
    },
  ),
  defineRoute(
    {
      method: 'post',
      path: '/v1/operations/{operation}/retry',
      operationId: 'retryOperation',
      tag,
      summary: 'Begin a failed operation again',
      access: ['operator', 'owner'],
      audit: 'operation.retry',
      params: operationParams,
      answers: {
        202: { description: 'Begun again under the same id.', schema: operationSchema, headers: ['Location'] },
      },
      faults: ['operation_not_found', 'not_retryable', 'operation_in_progress'],
    },
    async (deps, { c, params, caller }) => {
      const row = await retryOperation(deps.db, params.operation, caller);
      void deps.wake(row.id, row.lane);
      return c.json(presentOperation(row, caller.role), 202, { location: `/v1/operations/${row.id}` });
    },
  ),
];
