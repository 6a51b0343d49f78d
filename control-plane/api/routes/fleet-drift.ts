// Owns drift: the sweep, its stored answers, accepting a difference with a reason, and repairing what can be repaired safely.
import { z } from '@hono/zod-openapi';
import { writeAudit } from '../../../catalog/audit.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import { selectionSchema } from '../../../catalog/rollout-policy.ts';
import { adoptSchemas, listSchemaChecks } from '../../../catalog/schema-checks.ts';
import { selectKnown } from '../../rollouts/look/select-known.ts';
import { plainText } from '../input-shapes.ts';
import { answerPage, pageQuery, pageSchema } from '../page.ts';
import { driftLineSchema, presentDriftLines, presentSchemaCheck, schemaCheckSchema } from '../present/drift.ts';
import { type AdminRoute, defineRoute } from '../route.ts';
import { linesType, streamLines } from '../stream-lines.ts';

const tag = 'Fleet';
const selectionFaults = ['selection_invalid', 'selection_empty', 'target_group_not_found'] as const;

export const driftSweepSchema = z
  .strictObject({
    selection: selectionSchema.prefault({}),
    concurrency: z.int().min(1).max(32).default(4).openapi({ description: 'Databases at once on each cluster.' }),
  })
  .openapi('DriftSweep');
export const driftAdoptSchema = z
  .strictObject({ selection: selectionSchema.prefault({}), reason: plainText(500) })
  .openapi('DriftAdoption');

export const fleetDriftRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'post',
      path: '/v1/fleet/drift',
      operationId: 'sweepDrift',
      tag,
      summary: 'Compare every schema with its version',
      description:
        'Reads the schema of each selected database in one query and compares it with that of its version, which is made once in a scratch database: tables, columns, types, constraints, indexes, functions, triggers, policies, owners, grants, extensions, and the settings of its logins. Lines as they are found: `begin`, `checked` or `unanswered` for each, `summary`.',
      access: ['dba', 'owner'],
      audit: 'fleet.drift',
      body: driftSweepSchema,
      answers: { 200: { description: 'The stream.', schema: driftLineSchema, contentType: linesType } },
      faults: selectionFaults,
    },
    async (deps, { c, caller, body: { selection, concurrency } }) => {
      const databases = await selectKnown(deps.db, selection);
      const detail = { selection, databases: databases.length };
      await deps.db
        .transaction()
        .execute((tx) => writeAudit(tx, caller, { action: 'fleet.drift', targetType: 'installation', detail }));
      return streamLines(deps, c, (signal) =>
        presentDriftLines(databases, deps.fleet.drift(databases, { concurrency, signal })),
      );
    },
  ),
  defineRoute(
    {
      method: 'get',
      path: '/v1/fleet/drift',
      operationId: 'listDrift',
      tag,
      summary: 'What the last looks have found',
      access: ['operator', 'dba', 'owner'],
      query: z.object({
        drifted: z
          .enum(['true', 'false'])
          .optional()
          .openapi({ description: 'Only those that have drifted, or only those that have not.' }),
        ...pageQuery,
      }),
      answers: {
        200: { description: 'One page.', schema: pageSchema('SchemaCheckPage', schemaCheckSchema) },
      },
    },
    async (deps, { c, caller, query }) => {
      const drifted = query.drifted === undefined ? undefined : query.drifted === 'true';
      return answerPage(
        deps,
        { c, caller, query },
        {
          list: 'drift',
          filter: { drifted: query.drifted },
          read: (page) => listSchemaChecks(deps.db, { drifted }, page),
          keyOf: (row) => row.database_id,
          present: presentSchemaCheck,
        },
      );
    },
  ),
  defineRoute(
    {
      method: 'post',
      path: '/v1/fleet/drift/adopt',
      operationId: 'adoptDrift',
      tag,
      summary: 'Accept the differences that were found',
      description:
        'Every selected database that had drifted at the last look is accepted as it was found then, until it changes again.',
      access: ['dba', 'owner'],
      audit: 'fleet.adopt',
      body: driftAdoptSchema,
      answers: {
        200: {
          description: 'Those that were accepted.',
          schema: z
            .object({ data: z.array(z.object({ database_id: z.string(), slug: z.string() })) })
            .openapi('DriftAdopted'),
        },
      },
      faults: [...selectionFaults, 'schema_not_drifted'],
    },
    async (deps, { c, caller, body: { selection, reason } }) => {
      const databases = new Map((await selectKnown(deps.db, selection)).map((each) => [each.databaseId, each]));
      const adopted = await deps.db.transaction().execute(async (tx) => {
        const found = await adoptSchemas(tx, [...databases.keys()], { reason, actor: caller.actor });
        for (const { databaseId, fingerprint } of found) {
          const detail = { reason, fingerprint };
          await writeAudit(tx, caller, { action: 'fleet.adopt', targetType: 'database', targetId: databaseId, detail });
        }
        return found;
      });
      if (adopted.length === 0)
        throw catalogFault('schema_not_drifted', 'No selected database had drifted at the last look at it.');
      const data = adopted.map(({ databaseId }) => ({
        database_id: databaseId,
        slug: databases.get(databaseId)?.slug ?? '',
      }));
      return c.json({ data }, 200);
    },
  ),
  defineRoute(
    {
      method: 'post',
      path: '/v1/fleet/drift/repair',
      operationId: 'repairDrift',
      tag,
      summary: 'Repair what can be repaired safely',
      description:
        'Each selected database is looked at anew; of what has drifted and was not adopted, differences that are `repairable` are ended by their statements, as its owner: grants, plain indexes that are missing or invalid (built concurrently), settings of its logins. Then it is looked at again: `repaired` tells what was done and what is left.',
      access: ['dba', 'owner'],
      audit: 'fleet.repair',
      body: driftSweepSchema,
      answers: { 200: { description: 'The stream.', schema: driftLineSchema, contentType: linesType } },
      faults: selectionFaults,
    },
    async (deps, { c, caller, body: { selection, concurrency } }) => {
      const databases = await selectKnown(deps.db, selection);
      return streamLines(deps, c, (signal) =>
        presentDriftLines(databases, deps.fleet.repair(databases, caller, { concurrency, signal })),
      );
    },
  ),
];
