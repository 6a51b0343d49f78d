// Owns SQL for fields and conditions: a column and the way into its JSON, comparisons, lists, full text, and/or/not.
import { type Build, columnSql, type Source } from './build.ts';
import type { Condition, Field, Test } from './query-types.ts';
import type { Column } from './tenant-schema.ts';

/** Embedded resources of this level by alias and name: `tasks=is.null` asks whether there is none. */
export type EmbedNames = ReadonlyMap<string, string>;

/** @throws RestError 42703 */
export function fieldSql(build: Build, source: Source, field: Field): { sql: string; column: Column } {
  const found = columnSql(source, field.name);
  if (field.path.length === 0) return found;
  const isJson = found.column.type === 'json' || found.column.type === 'jsonb';
  let sql = isJson ? found.sql : `pg_catalog.to_jsonb(${found.sql})`;
  for (const { asText, key, isIndex } of field.path) {
    sql += `${asText ? '->>' : '->'}${build.bind(key)}::${isIndex ? 'int' : 'text'}`;
  }
  return { sql: `(${sql})`, column: found.column };
}

export function conditionSql(build: Build, source: Source, condition: Condition, embeds: EmbedNames): string {
  if (condition.kind === 'tree') {
    const parts = condition.parts.map((part) => conditionSql(build, source, part, embeds));
    return `${condition.negated ? 'not ' : ''}(${parts.join(condition.all ? ' and ' : ' or ')})`;
  }
  const sql = testedSql(build, source, condition.field, condition.test, embeds);
  return condition.negated ? `not (${sql})` : sql;
}

/** The embedded resources that a condition asks for, by the name used. */
export function embedsIn(condition: Condition): string[] {
  if (condition.kind === 'tree') return condition.parts.flatMap(embedsIn);
  return condition.test.kind === 'is' && condition.field.path.length === 0 ? [condition.field.name] : [];
}

function testedSql(build: Build, source: Source, field: Field, test: Test, embeds: EmbedNames): string {
  const embed = source.columns.has(field.name) || field.path.length > 0 ? undefined : embeds.get(field.name);
  if (embed !== undefined && test.kind === 'is' && (test.value === 'null' || test.value === 'not null')) {
    return `${embed}._j is ${test.value}`;
  }
  const { sql, column } = fieldSql(build, source, field);
  switch (test.kind) {
    case 'is':
      return `${sql} is ${test.value}`;
    case 'in':
      return `${sql} = any (${build.bind(arrayText(test.values))})`;
    case 'search':
      return searchSql(build, sql, field.path.length === 0 && column.type === 'tsvector', test);
    case 'compare': {
      const value = build.bind(test.value);
      return `${sql} ${test.operator} ${test.of === undefined ? value : `${test.of} (${value})`}`;
    }
  }
}

function searchSql(build: Build, sql: string, isVector: boolean, test: Extract<Test, { kind: 'search' }>): string {
  const config = test.config === undefined ? '' : `${build.bind(test.config)}::regconfig, `;
  const vector = isVector ? sql : `pg_catalog.to_tsvector(${config}${sql})`;
  return `${vector} @@ pg_catalog.${test.parser}(${config}${build.bind(test.value)})`;
}

/** As PostgreSQL reads it for every type of element. */
function arrayText(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}
