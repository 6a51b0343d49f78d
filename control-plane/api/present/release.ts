// Owns how a release looks to a client of the admin API: what it holds, what the linter found, and its SQL.
import { z } from '@hono/zod-openapi';
import type { ReleaseFile, ReleaseOfList } from '../../../catalog/releases.ts';
import { isRule, rules } from '../../migration-lint/rules.ts';
import { timeSchema } from './shared-shapes.ts';

const versionSchema = z.string().openapi({ example: '20261122100000000' });

export const findingSchema = z
  .object({
    file: z.string(),
    line: z.int(),
    column: z.int(),
    generated: z.boolean().openapi({ description: 'The line is one of the SQL that a builder file makes.' }),
    rule: z.string().openapi({ example: 'require-concurrent-index-creation' }),
    severity: z.enum(['error', 'warning']),
    message: z.string(),
    why: z.string(),
    remedy: z.string(),
    example: z.string(),
    waived: z.string().nullable().openapi({ description: 'The reason that the file gives.' }),
  })
  .openapi('LintFinding');

export const releaseSchema = z
  .object({
    id: z.string().openapi({ example: 'rel_01KAN3W2V8F6E5D4C3B2A19087' }),
    lane: z.string().openapi({ example: 'tenant' }),
    name: z.string(),
    version: versionSchema.openapi({ description: 'The number of its last file.' }),
    hash: z.string().openapi({ description: 'SHA-256 over the names and hashes of its files.' }),
    files: z.int(),
    is_head: z.boolean().openapi({ description: 'What new databases get.' }),
    contract_requires: versionSchema
      .nullable()
      .openapi({ description: 'No tenant may stand below this version when it goes out.' }),
    app_min: versionSchema.nullable().openapi({ description: 'The oldest version its application runs on.' }),
    app_max: versionSchema.nullable(),
    notes: z.string(),
    errors_waived: z.int().openapi({ description: 'Findings of the linter that a file waives.' }),
    warnings: z.int(),
    created_by: z.string(),
    created_at: timeSchema,
  })
  .openapi('Release');

export const releaseFileSchema = z
  .object({
    name: z.string(),
    hash: z.string(),
    transaction: z.boolean().openapi({ description: 'False: statement by statement, resumable.' }),
    reversible: z.boolean(),
    program: z.boolean().openapi({ description: 'It asks each database while it runs; its SQL is not known before.' }),
    contract_requires: versionSchema.nullable(),
  })
  .openapi('ReleaseFile');

export const releaseDetailSchema = releaseSchema
  .omit({ files: true })
  .extend({ files: z.array(releaseFileSchema), findings: z.array(findingSchema) })
  .openapi('ReleaseDetail');

export const releaseSqlSchema = z
  .object({
    data: z.array(
      z.object({
        name: z.string(),
        direction: z.enum(['up', 'down']),
        transaction: z.boolean(),
        statements: z.array(z.string()),
      }),
    ),
  })
  .openapi('ReleaseSql');

export type Release = z.output<typeof releaseSchema>;
export type ReleaseDetail = z.output<typeof releaseDetailSchema>;
export type ReleaseSql = z.output<typeof releaseSqlSchema>;
export type LintFinding = z.output<typeof findingSchema>;

export function presentRelease(row: ReleaseOfList): Release {
  const findings = row.lint as unknown as LintFinding[];
  return {
    id: row.id,
    lane: row.lane,
    name: row.name,
    version: row.version,
    hash: row.hash,
    files: row.files,
    is_head: row.isHead,
    contract_requires: row.contract_requires,
    app_min: row.app_min,
    app_max: row.app_max,
    notes: row.notes,
    errors_waived: findings.filter(({ severity, waived }) => severity === 'error' && waived !== null).length,
    warnings: findings.filter(({ severity, waived }) => severity === 'warning' && waived === null).length,
    created_by: row.created_by,
    created_at: row.created_at.toISOString(),
  };
}

export function presentReleaseDetail(row: ReleaseOfList, files: readonly ReleaseFile[]): ReleaseDetail {
  return {
    ...presentRelease(row),
    files: files.map(({ name, hash, up, down, program, contractRequires }) => ({
      name,
      hash,
      transaction: up.transaction,
      reversible: down !== null,
      program: program !== null,
      contract_requires: contractRequires,
    })),
    findings: (row.lint as unknown as LintFinding[]).map(presentFinding),
  };
}

const noTexts = { why: 'This rule is no longer there.', remedy: '', example: '' };

/** The texts are those of today's rules. */
export function presentFinding({
  file,
  line,
  column,
  generated,
  rule,
  severity,
  message,
  waived,
}: LintFinding): LintFinding {
  const { why, remedy, example } = isRule(rule) ? rules[rule] : noTexts;
  return { file, line, column, generated, rule, severity, message, why, remedy, example, waived };
}

/** The way down begins with the last file. A program's SQL is known only in a database. */
export function presentSql(files: readonly ReleaseFile[], direction: 'up' | 'down'): ReleaseSql {
  const ordered = direction === 'up' ? files : files.toReversed();
  return {
    data: ordered.map((file) => {
      const { transaction = true, statements = [] } = file[direction] ?? {};
      return { name: file.name, direction, transaction, statements: [...statements] };
    }),
  };
}
