// Owns the statements that insert, update and delete: the rows come as one JSON parameter, whatever their number, and are read by
// the server into the column types of the table; what was written is answered from the same statement.
import { type Build, newBuild, rowsSource, type Statement, tableSource } from './build.ts';
import { conditionSql } from './condition-sql.ts';
import type { MediaType, Preferences } from './preferences.ts';
import type { RowsQuery } from './query-types.ts';
import { noColumn } from './rest-error.ts';
import { rowsSql, selectSql } from './rows-sql.ts';
import { bodySql } from './statements.ts';
import { type Column, quoted, type Table, type TenantSchema, tableSql } from './tenant-schema.ts';
import type { WriteBody } from './write-body.ts';

export type WriteOptions = {
  returning: Preferences['returning'];
  resolution: Preferences['resolution'];
  missingDefault: boolean;
  onConflict: readonly string[] | undefined;
  media: MediaType;
};

export function insertStatement(
  schema: TenantSchema,
  table: Table,
  body: WriteBody,
  query: RowsQuery,
  options: WriteOptions,
): Statement {
  const build = newBuild(schema);
  const list = body.columns.map(({ name }) => quoted(name)).join(', ');
  const rows =
    body.columns.length === 0
      ? 'default values'
      : `(${list}) select ${list} from ${recordsSql(build, body, options.missingDefault)}`;
  const insert = `insert into ${tableSql(table.name)} as _t ${rows}${conflictSql(table, body, options)}`;
  return { text: writtenSql(build, table, insert, query, options), params: build.params };
}

export function updateStatement(
  schema: TenantSchema,
  table: Table,
  body: WriteBody,
  query: RowsQuery,
  options: WriteOptions,
): Statement {
  const build = newBuild(schema);
  const set = body.columns.map(({ name }) => `${quoted(name)} = _b.${quoted(name)}`).join(', ');
  const from = recordsSql(build, body, options.missingDefault, 1);
  const update = `update ${tableSql(table.name)} as _t set ${set} from ${from}${whereSql(build, table, query)}`;
  return { text: writtenSql(build, table, update, query, options), params: build.params };
}

export function deleteStatement(
  schema: TenantSchema,
  table: Table,
  query: RowsQuery,
  options: WriteOptions,
): Statement {
  const build = newBuild(schema);
  const remove = `delete from ${tableSql(table.name)} as _t${whereSql(build, table, query)}`;
  return { text: writtenSql(build, table, remove, query, options), params: build.params };
}

function whereSql(build: Build, table: Table, query: RowsQuery): string {
  const source = tableSource(table, '_t');
  const conditions = query.where.map((condition) => conditionSql(build, source, condition, new Map()));
  return conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`;
}

/** The rows of the body as a relation _b with the types of the table's columns. */
function recordsSql(build: Build, body: WriteBody, missingDefault: boolean, limit?: number): string {
  const definition = body.columns.map(({ name, type }) => `${quoted(name)} ${type}`).join(', ');
  const value = build.bind(body.text);
  const defaults = missingDefault ? defaultsSql(build, body.columns) : undefined;
  const [kind, json] =
    defaults === undefined
      ? ['json', `${value}::json`]
      : body.isArray
        ? [
            'jsonb',
            `(select pg_catalog.jsonb_agg(${defaults} || _e) from pg_catalog.jsonb_array_elements(${value}::jsonb) _e)`,
          ]
        : ['jsonb', `${defaults} || ${value}::jsonb`];
  const records = `pg_catalog.${kind}_to_record${body.isArray ? 'set' : ''}(${json}) as _b(${definition})`;
  return limit === undefined || !body.isArray ? records : `(select * from ${records} limit ${limit}) _b`;
}

/** Members for what a row may leave out. A function takes 100 arguments, so there are several objects. */
function defaultsSql(build: Build, columns: readonly Column[]): string | undefined {
  const members = columns
    .filter((column) => column.default !== null)
    .map((column) => `${build.bind(column.name)}::text, ${column.default}`);
  if (members.length === 0) return undefined;
  const objects: string[] = [];
  for (let at = 0; at < members.length; at += 50) {
    objects.push(`pg_catalog.jsonb_build_object(${members.slice(at, at + 50).join(', ')})`);
  }
  return objects.join(' || ');
}

function conflictSql(table: Table, body: WriteBody, { resolution, onConflict }: WriteOptions): string {
  const target = onConflict ?? table.primaryKey;
  if (resolution === undefined || target.length === 0) return '';
  for (const name of target) if (!table.columns.has(name)) throw noColumn(table.name, name);
  const on = ` on conflict (${target.map(quoted).join(', ')})`;
  if (resolution === 'ignore-duplicates') return `${on} do nothing`;
  const others = body.columns.filter(({ name }) => !target.includes(name));
  // Where the key is all that was sent, it is set to what it is, so that the row counts and is returned.
  const changed = others.length > 0 ? others : body.columns;
  if (changed.length === 0) return `${on} do nothing`;
  return `${on} do update set ${changed.map(({ name }) => `${quoted(name)} = excluded.${quoted(name)}`).join(', ')}`;
}

/** `select body, rows, key` over what was written. */
function writtenSql(build: Build, table: Table, write: string, query: RowsQuery, options: WriteOptions): string {
  const { returning, media } = options;
  if (returning === 'representation') {
    const rows = rowsSql(build, { ...query, where: [] }, rowsSource('_w', table.name, table.columns, table.name));
    const written = `with _w as (${write} returning _t.*)`;
    const page = selectSql(build, '_w', rows);
    if (media.kind === 'csv') return `${written} ${page}`;
    return `${written} select ${bodySql(media)} as body, pg_catalog.count(*) as rows, null as key from (${page}) _s`;
  }
  if (returning === 'headers-only' && table.primaryKey.length > 0) {
    const keys = table.primaryKey.map((name) => `_t.${quoted(name)}`).join(', ');
    const key = '(pg_catalog.json_agg(_w) -> 0)::text';
    return `with _w as (${write} returning ${keys}) select null as body, pg_catalog.count(*) as rows, ${key} as key from _w`;
  }
  return `with _w as (${write} returning 1) select null as body, pg_catalog.count(*) as rows, null as key from _w`;
}
