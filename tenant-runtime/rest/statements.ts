// Owns the statements that answer a request for rows. The body of the answer is made by the server, so it passes through here
// as text: one row with the body, the number of rows in it and, where it was asked for, the number of rows there are.
import { type Build, newBuild, type Source, type Statement, tableSource } from './build.ts';
import type { MediaType } from './preferences.ts';
import type { RowsQuery } from './query-types.ts';
import { forCounting, rowsSql, selectSql } from './rows-sql.ts';
import { type Table, type TenantSchema, tableSql } from './tenant-schema.ts';

export type ReadOptions = { media: MediaType; withTotal: boolean; withBody: boolean };

export function readStatement(schema: TenantSchema, table: Table, query: RowsQuery, options: ReadOptions): Statement {
  const build = newBuild(schema);
  const source = tableSource(table, '_t');
  const from = `${tableSql(table.name)} as _t`;
  return { text: readSql(build, from, source, query, options), params: build.params };
}

/** `select body, rows, total`; of a CSV, the rows themselves. */
export function readSql(build: Build, from: string, source: Source, query: RowsQuery, options: ReadOptions): string {
  const { media, withTotal, withBody } = options;
  const rows = rowsSql(build, query, source);
  const page = selectSql(build, from, rows, query);
  if (media.kind === 'csv') return page;
  const total = withTotal ? `(${countSql(build, from, source, query)})` : 'null';
  const body = withBody ? bodySql(media) : 'null';
  return `select ${body} as body, pg_catalog.count(*) as rows, ${total} as total from (${page}) _s`;
}

export function countSql(build: Build, from: string, source: Source, query: RowsQuery): string {
  const rows = rowsSql(build, forCounting(query), source);
  return `select pg_catalog.count(*) from ${from}${rows.joins}${rows.where}`;
}

/** For count=exact beside a CSV, and for the planner's estimate. */
export function countStatement(schema: TenantSchema, table: Table, query: RowsQuery, how: 'count' | 'plan'): Statement {
  const build = newBuild(schema);
  const from = `${tableSql(table.name)} as _t`;
  const source = tableSource(table, '_t');
  if (how === 'count') return { text: countSql(build, from, source, query), params: build.params };
  const rows = rowsSql(build, forCounting(query), source);
  return { text: `explain (format json) select 1 from ${from}${rows.joins}${rows.where}`, params: build.params };
}

/** @param row what one member of the list is made of */
export function bodySql({ kind, stripNulls }: MediaType, row = '_s'): string {
  const list = stripNulls ? `pg_catalog.json_strip_nulls(pg_catalog.json_agg(${row}))` : `pg_catalog.json_agg(${row})`;
  return kind === 'object' ? `(${list} -> 0)::text` : `coalesce(${list}, '[]'::json)::text`;
}
