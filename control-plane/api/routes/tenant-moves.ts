// Owns the moves of a tenant that people ask for: suspend, resume, delete, undelete, purge. Each is one operation; which move is
// possible from which state is decided by catalog/tenant-states.ts.
import { z } from '@hono/zod-openapi';
import type { Caller } from '../../../catalog/caller.ts';
import type { CatalogFaultCode } from '../../../catalog/errors.ts';
import type { TenantId } from '../../../catalog/ids.ts';
import type { OperationRow } from '../../../catalog/operations.ts';
import { startDeleteTenant } from '../../operations/start/start-delete-tenant.ts';
import { startPurgeTenant } from '../../operations/start/start-purge-tenant.ts';
import { startResumeTenant } from '../../operations/start/start-resume-tenant.ts';
import { startSuspendTenant } from '../../operations/start/start-suspend-tenant.ts';
import { startUndeleteTenant } from '../../operations/start/start-undelete-tenant.ts';
import { answerOperation, preferHeader, startAnswers } from '../answer-operation.ts';
import type { AdminApiDeps } from '../deps.ts';
import { expectedVersion, ifMatchHeaders } from '../etag.ts';
import { idParam } from '../input-shapes.ts';
import { type Access, type AdminRoute, defineRoute, type Method } from '../route.ts';

type Move = {
  method?: Method;
  path: `/${string}`;
  operationId: string;
  audit: string;
  summary: string;
  description: string;
  access: Exclude<Access, 'public'>;
  faults?: CatalogFaultCode[];
  start(
    deps: AdminApiDeps,
    id: TenantId,
    caller: Caller,
    options: { expectedVersion?: number },
  ): Promise<{ operation: OperationRow }>;
};

const moves: readonly Move[] = [
  {
    path: '/v1/tenants/{tenant}/suspend',
    operationId: 'suspendTenant',
    audit: 'tenant.suspend',
    summary: 'Stop serving a tenant',
    description: 'In force when the answer is sent: no route serves it, its tokens are refused. Its data stays.',
    access: ['operator', 'owner'],
    start: (deps, id, caller, options) => startSuspendTenant(deps.db, id, caller, options),
  },
  {
    path: '/v1/tenants/{tenant}/resume',
    operationId: 'resumeTenant',
    audit: 'tenant.resume',
    summary: 'Serve a suspended tenant again',
    description: 'Tokens minted before the suspension stay refused.',
    access: ['operator', 'owner'],
    start: (deps, id, caller, options) => startResumeTenant(deps.db, id, caller, options),
  },
  {
    method: 'delete',
    path: '/v1/tenants/{tenant}',
    operationId: 'deleteTenant',
    audit: 'tenant.delete',
    summary: 'Delete a tenant, with a time of grace',
    description: 'Nothing is dropped before `purge_after`; until then the tenant can be undeleted.',
    access: ['operator', 'owner'],
    start: (deps, id, caller, options) =>
      startDeleteTenant(deps.db, id, caller, { ...options, graceMs: deps.deleteGraceSec * 1_000 }),
  },
  {
    path: '/v1/tenants/{tenant}/undelete',
    operationId: 'undeleteTenant',
    audit: 'tenant.undelete',
    summary: 'Take a deletion back',
    description: 'Returns to the state from before the deletion.',
    access: ['operator', 'owner'],
    start: (deps, id, caller, options) => startUndeleteTenant(deps.db, id, caller, options),
  },
  {
    path: '/v1/tenants/{tenant}/purge',
    operationId: 'purgeTenant',
    audit: 'tenant.purge',
    summary: 'Drop a deleted tenant now, for good',
    description:
      'Does not wait for the time of grace. Database, roles and secrets are gone afterwards; id and slug are never used again.',
    access: ['owner'],
    start: (deps, id, caller, options) => startPurgeTenant(deps.db, id, caller, { ...options, force: true }),
  },
];

export const tenantMoveRoutes: readonly AdminRoute[] = moves.map(({ start, faults = [], method = 'post', ...spec }) =>
  defineRoute(
    {
      ...spec,
      method,
      tag: 'Tenants',
      params: z.object({ tenant: idParam('tenant') }),
      // If-Match may be sent: then a tenant that was changed meanwhile is left alone.
      headers: z.object({ ...preferHeader, ...ifMatchHeaders.shape }),
      answers: startAnswers(200),
      faults: ['tenant_not_found', 'wrong_state', 'operation_in_progress', 'stale_version', ...faults],
    },
    async (deps, request) => {
      const { params, headers, caller } = request;
      const options = headers['if-match'] === undefined ? {} : { expectedVersion: expectedVersion(headers) };
      const { operation } = await start(deps, params.tenant, caller, options);
      return await answerOperation(deps, request, { tenantId: params.tenant, operation, doneStatus: 200 });
    },
  ),
);
