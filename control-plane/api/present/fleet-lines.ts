// Owns the lines of the streams that look over the fleet: what begins, each database's answer or why it gave none, and the end.
import { z } from '@hono/zod-openapi';
import type { KnownDatabase } from '../../../catalog/schema-checks.ts';
import type { QueryLine } from '../../rollouts/look/run-fleet-query.ts';

export const whose = { tenant_id: z.string(), slug: z.string(), database_id: z.string(), cluster: z.string() };

export const beginLine = z.object({ type: z.literal('begin'), databases: z.int() });
export const unansweredLine = z.object({
  type: z.literal('unanswered'),
  ...whose,
  code: z
    .string()
    .openapi({ description: 'An SQLSTATE, `closed`, `unreachable`, `TimeoutError`, `ResultTooLargeError`, …' }),
  message: z.string(),
});
export const brokenLine = z.object({ type: z.literal('broken'), code: z.string(), message: z.string() });

const answerLine = z.object({
  type: z.literal('answer'),
  ...whose,
  columns: z.array(z.object({ name: z.string(), type: z.string() })),
  rows: z.array(z.array(z.string().nullable())).openapi({ description: "Values in PostgreSQL's text format." }),
  truncated: z.boolean().openapi({ description: 'There were more rows than `row_limit`.' }),
});
const querySummaryLine = z.object({
  type: z.literal('summary'),
  databases: z.int(),
  answered: z.int(),
  unanswered: z.int(),
  truncated: z.int(),
  rows: z.int(),
  duration_ms: z.int(),
});

export const fleetQueryLineSchema = z
  .union([beginLine, answerLine, unansweredLine, querySummaryLine, brokenLine])
  .openapi('FleetQueryLine', { description: 'One line of the stream.' });
export type FleetQueryLine = z.output<typeof fleetQueryLineSchema>;

export function presentWhose({ tenantId, slug, databaseId, cluster }: KnownDatabase) {
  return { tenant_id: tenantId, slug, database_id: databaseId, cluster };
}

/** Counts as it goes, and says at the end what it has counted. */
export async function* presentQueryLines(
  databases: readonly KnownDatabase[],
  lines: AsyncIterable<QueryLine>,
): AsyncGenerator<FleetQueryLine> {
  const startedAtMs = performance.now();
  const counts = { answered: 0, unanswered: 0, truncated: 0, rows: 0 };
  yield { type: 'begin', databases: databases.length };
  for await (const line of lines) {
    const of = presentWhose(line.database);
    if ('error' in line) {
      counts.unanswered++;
      yield { type: 'unanswered', ...of, ...line.error };
      continue;
    }
    const { columns, rows, truncated } = line.answer;
    counts.answered++;
    counts.truncated += Number(truncated);
    counts.rows += rows.length;
    yield { type: 'answer', ...of, columns, rows, truncated };
  }
  // A stream that was stopped has looked at fewer: it gets no summary, so that nobody takes it for the whole.
  if (counts.answered + counts.unanswered < databases.length) return;
  const duration_ms = Math.round(performance.now() - startedAtMs);
  yield { type: 'summary', databases: databases.length, ...counts, duration_ms };
}
