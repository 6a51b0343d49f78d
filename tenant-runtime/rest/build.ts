// Owns what the building of one statement shares: the schema its names are looked up in, its parameters, its inner names.
// Promises that a value from a request gets into a statement as a parameter and in no other way.
import { noColumn } from './rest-error.ts';
import { type Column, quoted, type Table, type TenantSchema, tableSql } from './tenant-schema.ts';

export type Statement = { readonly text: string; readonly params: readonly string[] };

export type Build = {
  readonly schema: TenantSchema;
  readonly params: string[];
  /** $1, $2 … */
  bind(value: string): string;
  /** _1, _2 … */
  nextName(): string;
};

export function newBuild(schema: TenantSchema): Build {
  const params: string[] = [];
  let names = 0;
  return {
    schema,
    params,
    bind: (value) => `$${params.push(value)}`,
    nextName: () => `_${++names}`,
  };
}

/** Rows that a part of a statement reads: a table, what a write returned, what a function gave. */
export type Source = {
  readonly alias: string;
  /** For messages. */
  readonly name: string;
  readonly columns: ReadonlyMap<string, Column>;
  readonly computed: ReadonlyMap<string, Column>;
  /** Whose relationships it has. */
  readonly table: string | undefined;
};

const none: ReadonlyMap<string, Column> = new Map();

export function tableSource(table: Table, alias: string): Source {
  return { alias, name: table.name, columns: table.columns, computed: table.computed, table: table.name };
}

/** A row that went through a WITH is no longer of the table's type, so functions of that type do not take it. */
export function rowsSource(alias: string, name: string, columns: ReadonlyMap<string, Column>, table?: string): Source {
  return { alias, name, columns, computed: none, table };
}

/** @throws RestError 42703 */
export function columnSql(source: Source, name: string): { sql: string; column: Column } {
  const column = source.columns.get(name);
  if (column !== undefined) return { sql: `${source.alias}.${quoted(column.name)}`, column };
  const computed = source.computed.get(name);
  if (computed !== undefined) return { sql: `${tableSql(computed.name)}(${source.alias})`, column: computed };
  throw noColumn(source.name, name);
}
