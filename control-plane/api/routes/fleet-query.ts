// Owns reading over the fleet: one reviewed statement, every selected tenant, as its read-only login. It reads the data of tenants,
// so it is for those who may, and what was asked of whom is in the audit before anybody is asked.
import { z } from '@hono/zod-openapi';
import { writeAudit } from '../../../catalog/audit.ts';
import { selectionSchema } from '../../../catalog/rollout-policy.ts';
import { readOnlyStatement } from '../../rollouts/look/run-fleet-query.ts';
import { selectKnown } from '../../rollouts/look/select-known.ts';
import { fleetQueryLineSchema, presentQueryLines } from '../present/fleet-lines.ts';
import { type AdminRoute, defineRoute } from '../route.ts';
import { linesType, streamLines } from '../stream-lines.ts';

export const fleetQuerySchema = z
  .strictObject({
    statement: z.string().min(1).max(100_000).openapi({ description: 'One SELECT, VALUES, SHOW or EXPLAIN.' }),
    selection: selectionSchema.prefault({}),
    timeout_ms: z.int().min(10).max(600_000).default(10_000).openapi({ description: 'For each tenant.' }),
    row_limit: z.int().min(1).max(100_000).default(1_000).openapi({ description: 'For each tenant.' }),
    concurrency: z.int().min(1).max(32).default(4).openapi({ description: 'Tenants at once on each cluster.' }),
  })
  .openapi('FleetQuery');

export const fleetQueryRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'post',
      path: '/v1/fleet/query',
      operationId: 'queryFleet',
      tag: 'Fleet',
      summary: 'Read from every selected tenant',
      description:
        "Runs one reading statement in each selected tenant's database as its read-only login, in a read-only transaction. It reads the data of tenants; the statement and the selection are written to the audit. Answers come as they are found, one JSON document a line: `begin`, then `answer` or `unanswered` for each tenant, then `summary`. A stream without a summary was cut.",
      access: ['dba', 'owner'],
      audit: 'fleet.query',
      body: fleetQuerySchema,
      answers: { 200: { description: 'The stream.', schema: fleetQueryLineSchema, contentType: linesType } },
      faults: ['statement_refused', 'selection_invalid', 'selection_empty', 'target_group_not_found'],
    },
    async (deps, { c, caller, body }) => {
      const { statement: text, selection, timeout_ms, row_limit, concurrency } = body;
      const statement = await readOnlyStatement(text);
      const databases = await selectKnown(deps.db, selection);
      const detail = { statement: text, selection, databases: databases.length };
      await deps.db
        .transaction()
        .execute((tx) => writeAudit(tx, caller, { action: 'fleet.query', targetType: 'installation', detail }));
      const limits = { timeoutMs: timeout_ms, rowsMax: row_limit, concurrency };
      return streamLines(deps, c, (signal) =>
        presentQueryLines(databases, deps.fleet.query(databases, statement, { ...limits, signal })),
      );
    },
  ),
];
