// Owns how drift looks to a client of the admin API: differences with the statements that would end them, the lines of a sweep and of
// a repair, and the stored answers.
import { z } from '@hono/zod-openapi';
import type { SchemaDifference } from '../../../catalog/fleet-schema.ts';
import type { DatabaseId } from '../../../catalog/ids.ts';
import { namesOf } from '../../../catalog/names.ts';
import type { KnownDatabase, SchemaCheck } from '../../../catalog/schema-checks.ts';
import type { RepairLine } from '../../rollouts/look/repair-drift.ts';
import { statementsFor } from '../../rollouts/look/schema-diff.ts';
import type { DriftLine, SchemaVerdict } from '../../rollouts/look/sweep-drift.ts';
import { beginLine, brokenLine, presentWhose, unansweredLine, whose } from './fleet-lines.ts';

const differenceSchema = z
  .object({
    kind: z.string().openapi({ description: 'table, column, index, owner, grant, role, …' }),
    object: z.string(),
    change: z.enum(['missing', 'unexpected', 'different']),
    expected: z.string().nullable(),
    found: z.string().nullable(),
    repairable: z.boolean().openapi({ description: 'A repair does it: nothing can be lost and nobody locked out.' }),
    statements: z.array(z.string()).openapi({ description: 'What would end it, for a person to read.' }),
  })
  .openapi('SchemaDifference');
const verdict = { drifted: z.boolean(), adopted: z.boolean(), differences: z.array(differenceSchema) };
const checkedLine = z.object({ type: z.literal('checked'), ...whose, ...verdict });
const repairedLine = z.object({
  type: z.literal('repaired'),
  ...whose,
  repairs: z.array(
    z.object({
      statement: z.string(),
      error: z.object({ sqlstate: z.string(), message: z.string() }).nullable(),
    }),
  ),
  ...verdict,
});
const summaryLine = z.object({
  type: z.literal('summary'),
  databases: z.int(),
  checked: z.int(),
  drifted: z.int(),
  adopted: z.int(),
  unanswered: z.int(),
  duration_ms: z.int(),
});

export const driftLineSchema = z
  .union([beginLine, checkedLine, repairedLine, unansweredLine, summaryLine, brokenLine])
  .openapi('FleetDriftLine', { description: 'One line of the stream; `checked` of a sweep, `repaired` of a repair.' });
export type FleetDriftLine = z.output<typeof driftLineSchema>;
export type SchemaDifferenceView = z.output<typeof differenceSchema>;

export const schemaCheckSchema = z
  .object({
    database_id: z.string(),
    tenant_id: z.string().nullable(),
    slug: z.string().nullable(),
    checked_at: z.string(),
    drifted: z.boolean(),
    differences: z.array(differenceSchema),
    adopted: z.object({ reason: z.string(), actor: z.string(), at: z.string() }).nullable(),
  })
  .openapi('SchemaCheck');
export type SchemaCheckView = z.output<typeof schemaCheckSchema>;

export function presentSchemaCheck(check: SchemaCheck): SchemaCheckView {
  const { database_id, tenant_id, slug, checked_at, drifted, differences, adopted } = check;
  return {
    database_id,
    tenant_id,
    slug,
    checked_at: checked_at.toISOString(),
    drifted,
    differences: presentDifferences(database_id, differences),
    adopted: adopted === null ? null : { reason: adopted.reason, actor: adopted.actor, at: adopted.at },
  };
}

function presentDifferences(id: DatabaseId, differences: readonly SchemaDifference[]): SchemaDifferenceView[] {
  const { database } = namesOf(id);
  return differences.map((each) => ({ ...each, statements: statementsFor(each, database) }));
}

function presentVerdict({ databaseId }: KnownDatabase, { drifted, adopted, differences }: SchemaVerdict) {
  return { drifted, adopted, differences: presentDifferences(databaseId, differences) };
}

/** Counts as it goes. A stream that was stopped has looked at fewer, and gets no summary. */
export async function* presentDriftLines(
  databases: readonly KnownDatabase[],
  lines: AsyncIterable<DriftLine | RepairLine>,
): AsyncGenerator<FleetDriftLine> {
  const startedAtMs = performance.now();
  const counts = { checked: 0, drifted: 0, adopted: 0, unanswered: 0 };
  yield { type: 'begin', databases: databases.length };
  for await (const line of lines) {
    const of = presentWhose(line.database);
    if ('error' in line) {
      counts.unanswered++;
      yield { type: 'unanswered', ...of, ...line.error };
      continue;
    }
    counts.checked++;
    counts.drifted += Number(line.verdict.drifted);
    counts.adopted += Number(line.verdict.adopted);
    const told = presentVerdict(line.database, line.verdict);
    if ('repairs' in line) yield { type: 'repaired', ...of, repairs: line.repairs, ...told };
    else yield { type: 'checked', ...of, ...told };
  }
  if (counts.checked + counts.unanswered < databases.length) return;
  const duration_ms = Math.round(performance.now() - startedAtMs);
  yield { type: 'summary', databases: databases.length, ...counts, duration_ms };
}
