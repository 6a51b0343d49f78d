// Owns the lines of a dry run as the admin API gives them: what each file took and locked at each starting version, and the end.
import { z } from '@hono/zod-openapi';
import type { DryRunLine, DryRunPlan, DryRunStart } from '../../rollouts/look/dry-run.ts';
import { brokenLine } from './fleet-lines.ts';
import { memberErrorSchema } from './rollout-member.ts';

const start = {
  from_version: z.string().openapi({ description: 'Where these tenants stand now.' }),
  server_major: z.int(),
};
const beginLine = z.object({
  type: z.literal('begin'),
  release: z.string(),
  version: z.string(),
  starts: z.array(z.object({ ...start, databases: z.int(), tenants: z.array(z.string()) })),
  there: z.int().openapi({ description: 'Selected databases that are at the release already.' }),
  clone: z
    .object({ tenant_id: z.string(), slug: z.string(), bytes: z.number() })
    .nullable()
    .openapi({ description: 'Whose database is copied for it.' }),
});
const size = {
  relation: z.string(),
  bytes: z.number().openapi({ description: 'With indexes and TOAST, before the file.' }),
  rows: z.number().nullable().openapi({ description: 'As the server estimates; null where it has never counted.' }),
};
const fileLine = z.object({
  type: z.literal('file'),
  ...start,
  name: z.string(),
  duration_ms: z.int().openapi({ description: 'On tables without rows, but for a copy.' }),
  locks: z
    .array(z.object({ ...size, mode: z.string() }))
    .nullable()
    .openapi({
      description:
        'The strongest lock on each relation that was there before, held to the end of the transaction. Null: the file does not run as one transaction, so nobody could look.',
    }),
  rewritten: z.array(z.object(size)).openapi({
    description: 'Tables of which the file has written every row again: it takes as long as they are large.',
  }),
});
const passedLine = z.object({ type: z.literal('passed'), ...start });
const failedLine = z.object({
  type: z.literal('failed'),
  ...start,
  file: z.string().nullable(),
  error: memberErrorSchema,
});
const summaryLine = z.object({
  type: z.literal('summary'),
  starts: z.int(),
  passed: z.int(),
  failed: z.int(),
  duration_ms: z.int(),
});

export const dryRunLineSchema = z
  .union([beginLine, fileLine, passedLine, failedLine, summaryLine, brokenLine])
  .openapi('DryRunLine', { description: 'One line of the stream.' });
export type DryRunLineView = z.output<typeof dryRunLineSchema>;

/** Enough to recognise a version by. */
const tenantsShown = 5;

export async function* presentDryRun(
  plan: DryRunPlan,
  lines: AsyncIterable<DryRunLine>,
): AsyncGenerator<DryRunLineView> {
  const startedAtMs = performance.now();
  const counts = { passed: 0, failed: 0 };
  const { release, starts, there, clone } = plan;
  const shown = starts.map((each) => ({
    ...presentStart(each),
    databases: each.tenants.length,
    tenants: each.tenants.slice(0, tenantsShown),
  }));
  const copied = clone === undefined ? null : { tenant_id: clone.tenantId, slug: clone.slug, bytes: clone.bytes };
  yield { type: 'begin', release: release.name, version: release.version, starts: shown, there, clone: copied };
  for await (const line of lines) {
    const of = presentStart(line.start);
    if ('file' in line) {
      const { name, durationMs, locks, rewritten } = line.file;
      yield { type: 'file', ...of, name, duration_ms: Math.round(durationMs), locks, rewritten };
    } else if ('failed' in line) {
      counts.failed++;
      yield { type: 'failed', ...of, ...line.failed };
    } else {
      counts.passed++;
      yield { type: 'passed', ...of };
    }
  }
  if (counts.passed + counts.failed < starts.length) return;
  yield { type: 'summary', starts: starts.length, ...counts, duration_ms: Math.round(performance.now() - startedAtMs) };
}

function presentStart({ version, serverMajor }: DryRunStart) {
  return { from_version: version, server_major: serverMajor };
}
