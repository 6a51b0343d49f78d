// SARIF as its readers demand it: the members that the standard (2.1.0) requires, indexes that point at the rule they name.
import { expect, test } from 'vitest';
import { z } from 'zod';
import { readEntries } from '../../control-plane/migration-files/read-entries.ts';
import { lintLane } from '../../control-plane/migration-lint/lint-lane.ts';
import { sarifOf } from '../../control-plane/migration-lint/sarif.ts';

const message = z.strictObject({ text: z.string().min(1), markdown: z.string().optional() });
const level = z.enum(['none', 'note', 'warning', 'error']);
const region = z.strictObject({ startLine: z.int().min(1), startColumn: z.int().min(1).optional() });
const result = z.strictObject({
  ruleId: z.string(),
  ruleIndex: z.int().min(0),
  level,
  message,
  locations: z
    .array(
      z.strictObject({
        physicalLocation: z.strictObject({
          artifactLocation: z.strictObject({ uri: z.string().regex(/^[^\s\\]+$/), uriBaseId: z.string() }),
          region,
        }),
      }),
    )
    .length(1),
  baselineState: z.enum(['new', 'unchanged', 'updated', 'absent']),
  suppressions: z
    .array(z.strictObject({ kind: z.enum(['inSource', 'external']), justification: z.string() }))
    .optional(),
});
const rule = z.strictObject({
  id: z.string(),
  shortDescription: message,
  help: message,
  defaultConfiguration: z.strictObject({ level }),
});
const sarifSchema = z.strictObject({
  $schema: z.url(),
  version: z.literal('2.1.0'),
  runs: z
    .array(
      z.strictObject({
        tool: z.strictObject({
          driver: z.strictObject({ name: z.string(), version: z.string(), rules: z.array(rule) }),
        }),
        columnKind: z.enum(['utf16CodeUnits', 'unicodeCodePoints']),
        results: z.array(result),
      }),
    )
    .length(1),
});

test('M15 findings as SARIF 2.1.0: places, rules, what is waived and what is history', async () => {
  const entries = [
    { name: '1_old.sql', text: 'truncate tasks;' },
    { name: '2_new.sql', text: '-- freehold: allow ban-truncate: a cache\ntruncate tasks;\nset role x;' },
  ];
  const lane = await readEntries('tenant', entries, () => {
    throw new Error('there is none');
  });
  const findings = await lintLane(lane, { released: 1, withHistory: true });
  const { runs } = sarifSchema.parse(
    JSON.parse(JSON.stringify(sarifOf(findings, { toolVersion: '1.2.3', base: 'my migrations/' }))),
  );
  const [{ tool, results }] = runs as [(typeof runs)[number]];
  for (const { ruleId, ruleIndex } of results) expect(tool.driver.rules[ruleIndex]?.id).toBe(ruleId);
  expect(results.map((each) => [each.ruleId, each.baselineState, each.suppressions?.[0]?.justification])).toEqual([
    ['ban-truncate', 'unchanged', undefined],
    ['ban-truncate', 'new', 'a cache'],
    ['changes-role', 'new', undefined],
  ]);
  expect(results[2]?.locations[0]?.physicalLocation).toEqual({
    artifactLocation: { uri: 'my%20migrations/2_new.sql', uriBaseId: '%SRCROOT%' },
    region: { startLine: 3, startColumn: 1 },
  });
});
