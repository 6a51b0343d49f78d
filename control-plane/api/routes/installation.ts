// Owns what concerns the installation as a whole: who am I, runtimes, reconcilers, fsck.
import { z } from '@hono/zod-openapi';
import { writeAudit } from '../../../catalog/audit.ts';
import { listReconcilers, requestReconcilerRun } from '../../../catalog/reconcilers.ts';
import { adminRoles, roleMeanings } from '../../../catalog/roles.ts';
import { listRuntimeInstances } from '../../../catalog/runtime-instances.ts';
import { edgeFault } from '../../../platform/edge-faults.ts';
import { fsckReportSchema, presentFsckReport } from '../present/fsck-report.ts';
import { presentReconciler, reconcilerSchema } from '../present/reconciler.ts';
import { presentRuntimeInstance, runtimeInstanceSchema } from '../present/runtime-instance.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

const tag = 'Installation';

export const meSchema = z
  .object({
    api_key_id: z.string(),
    role: z.enum(adminRoles),
    may: z.string().openapi({ description: 'What the role means, in words.' }),
  })
  .openapi('Me');

export const installationRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'get',
      path: '/v1/me',
      operationId: 'whoAmI',
      tag,
      summary: 'Whose key this is and what its role may do',
      access: ['viewer', 'sales', 'operator', 'dba', 'owner'],
      answers: { 200: { description: 'The key that was sent.', schema: meSchema } },
    },
    (_deps, { c, caller }) => {
      if (caller.role === 'system') throw edgeFault('internal', 'A request has no system caller.');
      return c.json({ api_key_id: caller.actor, role: caller.role, may: roleMeanings[caller.role] }, 200);
    },
  ),
  defineRoute(
    {
      method: 'get',
      path: '/v1/runtimes',
      operationId: 'listRuntimes',
      tag,
      summary: 'List the runtime processes seen in the last hour',
      access: ['viewer', 'sales', 'operator', 'dba', 'owner'],
      answers: {
        200: {
          description: 'All of them.',
          schema: z.object({ data: z.array(runtimeInstanceSchema) }).openapi('RuntimeList'),
        },
      },
    },
    async (deps, { c }) => c.json({ data: (await listRuntimeInstances(deps.db)).map(presentRuntimeInstance) }, 200),
  ),
  defineRoute(
    {
      method: 'get',
      path: '/v1/reconcilers',
      operationId: 'listReconcilers',
      tag,
      summary: 'List reconcilers with their last run and what it found',
      access: ['viewer', 'sales', 'operator', 'dba', 'owner'],
      answers: {
        200: {
          description: 'All of them.',
          schema: z.object({ data: z.array(reconcilerSchema) }).openapi('ReconcilerList'),
        },
      },
    },
    async (deps, { c }) => {
      const now = deps.clock.now();
      return c.json({ data: (await listReconcilers(deps.db)).map((row) => presentReconciler(row, now)) }, 200);
    },
  ),
  defineRoute(
    {
      method: 'post',
      path: '/v1/reconcilers/{name}/run',
      operationId: 'runReconciler',
      tag,
      summary: 'Ask a reconciler to run now',
      description: 'It runs at the next tick of its scheduler; look at `last_finished_at` for the end.',
      access: ['operator', 'dba', 'owner'],
      audit: 'reconciler.run',
      params: z.object({ name: z.string().regex(/^[a-z][a-z-]{1,62}$/, 'must be the name of a reconciler') }),
      answers: { 202: { description: 'Asked for.', schema: reconcilerSchema } },
      faults: ['not_found'],
    },
    async (deps, { c, params, caller }) => {
      const row = await deps.db.transaction().execute((tx) => requestReconcilerRun(tx, params.name, caller));
      if (row === undefined) throw edgeFault('not_found', 'There is no reconciler of this name.');
      return c.json(presentReconciler(row, deps.clock.now()), 202);
    },
  ),
  defineRoute(
    {
      method: 'post',
      path: '/v1/fsck',
      operationId: 'runFsck',
      tag,
      summary: 'Compare the catalog with every cluster',
      description:
        'Reads only. Names every database, role, route and secret without a counterpart or with a wrong owner, grant or identity.',
      access: ['dba', 'owner'],
      audit: 'installation.fsck',
      query: z.object({
        deep: z
          .enum(['true', 'false'])
          .default('true')
          .openapi({ description: 'false looks into no database: quicker, and blind to what is wrong inside.' }),
      }),
      answers: { 200: { description: 'The report.', schema: fsckReportSchema } },
    },
    async (deps, { c, query, caller }) => {
      const report = await deps.fsck({ deep: query.deep === 'true' });
      const detail = { clean: report.clean, findings: report.findings.length };
      await deps.db
        .transaction()
        .execute((tx) => writeAudit(tx, caller, { action: 'installation.fsck', targetType: 'installation', detail }));
      return c.json(presentFsckReport(report), 200);
    },
  ),
];
