// Owns SQL for rows with what is embedded in them: each embedded resource is a lateral join that gives one JSON value, so that a
// request of any depth is one statement. Names of the answer's members are the only thing that a client may choose; they are
// quoted like every other name.
import { type Build, type Source, tableSource } from './build.ts';
import { conditionSql, embedsIn, fieldSql } from './condition-sql.ts';
import type { Embed, Field, OrderTerm, RowsQuery, SelectItem } from './query-types.ts';
import { findRelationship } from './relationships.ts';
import { noColumn, RestError } from './rest-error.ts';
import { quoted, type Relationship, type Table, tableSql } from './tenant-schema.ts';

export type RowsSql = {
  readonly columns: readonly OutputColumn[];
  readonly joins: string;
  readonly where: string;
  readonly order: string;
};

export type OutputColumn = { readonly name: string; readonly sql: string };

type Embedded = {
  readonly item: Embed;
  readonly relationship: Relationship;
  readonly alias: string;
  readonly toOne: boolean;
  /** Columns that the order of the level above asks for. */
  readonly orderedBy: Field[];
};

/** @throws RestError for every name that the schema does not have */
export function rowsSql(build: Build, query: RowsQuery, source: Source, conditions: readonly string[] = []): RowsSql {
  const embedded = query.select.filter((item) => item.kind === 'embed').map((item) => embeddedOf(build, source, item));
  const order = query.order.map((term) => termSql(build, source, term, embedded)).join(', ');
  const lateral = embedded.map((each) => lateralSql(build, source, each));
  const columns = query.select.flatMap((item) => outputOf(build, source, item, embedded, lateral));
  const names = new Map(
    embedded.flatMap(({ item, alias }) =>
      [item.target, item.alias ?? item.target].map((name) => [name, alias] as const),
    ),
  );
  const where = [...conditions, ...query.where.map((condition) => conditionSql(build, source, condition, names))];
  return {
    columns,
    joins: lateral.map(({ join }) => ` ${join}`).join(''),
    where: where.length === 0 ? '' : ` where ${where.join(' and ')}`,
    order: order === '' ? '' : ` order by ${order}`,
  };
}

export function selectSql(
  build: Build,
  from: string,
  rows: RowsSql,
  page?: Pick<RowsQuery, 'limit' | 'offset'>,
): string {
  const columns = rows.columns.map(({ sql, name }) => `${sql} as ${quoted(name)}`).join(', ');
  return `select ${columns} from ${from}${rows.joins}${rows.where}${rows.order}${page === undefined ? '' : pageSql(build, page)}`;
}

function pageSql(build: Build, { limit, offset }: Pick<RowsQuery, 'limit' | 'offset'>): string {
  const limited = limit === undefined ? '' : ` limit ${build.bind(String(limit))}::bigint`;
  return `${limited}${offset === 0 ? '' : ` offset ${build.bind(String(offset))}::bigint`}`;
}

/** What decides how many rows there are, and nothing else. */
export function forCounting(query: RowsQuery): RowsQuery {
  const asked = new Set(query.where.flatMap(embedsIn));
  const select = query.select
    .filter((item) => item.kind === 'embed')
    .filter((item) => item.inner || asked.has(item.alias ?? item.target) || asked.has(item.target))
    .map((item) => ({ ...item, spread: false, query: forCounting(item.query) }));
  return { select, where: query.where, order: [], limit: query.limit, offset: query.offset };
}

function embeddedOf(build: Build, source: Source, item: Embed): Embedded {
  if (source.table === undefined) {
    throw new RestError(
      'PGRST200',
      `Could not find a relationship between '${source.name}' and '${item.target}' in the schema cache`,
    );
  }
  const relationship = findRelationship(build.schema, source.table, item.target, item.hint);
  const toOne = relationship.kind === 'many-to-one' || relationship.kind === 'one-to-one';
  if (item.spread && !toOne) {
    throw new RestError('PGRST119', `A spread operation on '${item.target}' is not possible`, {
      details: `'${source.name}' and '${item.target}' do not form a many-to-one or one-to-one relationship`,
    });
  }
  return { item, relationship, alias: build.nextName(), toOne, orderedBy: [] };
}

function termSql(build: Build, source: Source, term: OrderTerm, embedded: readonly Embedded[]): string {
  const direction = `${term.descending ? ' desc' : ''}${term.nulls === undefined ? '' : ` nulls ${term.nulls}`}`;
  if (term.embed === undefined) return `${fieldSql(build, source, term.field).sql}${direction}`;
  const found = embedded.find(({ item }) => (item.alias ?? item.target) === term.embed);
  if (found === undefined) {
    throw new RestError('PGRST108', `'${term.embed}' is not an embedded resource in this request`, {
      hint: `Verify that '${term.embed}' is included in the 'select' query parameter.`,
    });
  }
  if (!found.toOne) {
    throw new RestError('PGRST118', `A related order on '${term.embed}' is not possible`, {
      details: `'${source.name}' and '${term.embed}' do not form a many-to-one or one-to-one relationship`,
    });
  }
  return `${found.alias}._o${found.orderedBy.push(term.field)}${direction}`;
}

type Lateral = { readonly join: string; readonly columns: readonly OutputColumn[] };

function lateralSql(build: Build, parent: Source, embedded: Embedded): Lateral {
  const { item, relationship, alias, toOne, orderedBy } = embedded;
  const table = build.schema.tables.get(relationship.to) as Table;
  const source = tableSource(table, build.nextName());
  const { from, conditions } = joinSql(build, parent, source, relationship);
  const rows = rowsSql(build, item.query, source, conditions);
  const ordering = orderedBy.map((field, at) => `, ${fieldSql(build, source, field).sql} as _o${at + 1}`).join('');
  const join = item.inner ? 'join' : 'left join';
  const on = item.inner ? `${alias}._j is not null` : 'true';
  if (item.spread) {
    const columns = rows.columns.map(({ sql, name }) => `, ${sql} as ${quoted(name)}`).join('');
    const inner = `select true as _j${ordering}${columns} from ${from}${rows.joins}${rows.where}`;
    return { join: `${join} lateral (${inner}) ${alias} on ${on}`, columns: rows.columns };
  }
  const list = rows.columns.map(({ sql, name }) => `${sql} as ${quoted(name)}`).join(', ');
  const row = `pg_catalog.row_to_json(_s)`;
  const inner = toOne
    ? `select ${list === '' ? `'{}'::json` : `(select ${row} from (select ${list}) _s)`} as _j${ordering} from ${from}${rows.joins}${rows.where}`
    : `select pg_catalog.json_agg(_s) as _j from (${selectSql(build, from, rows, item.query)}) _s`;
  return { join: `${join} lateral (${inner}) ${alias} on ${on}`, columns: rows.columns };
}

function joinSql(build: Build, parent: Source, source: Source, relationship: Relationship) {
  const { to, fromColumns, toColumns, junction } = relationship;
  const equal = (a: string, as: readonly string[], b: string, bs: readonly string[]) =>
    as.map((column, at) => `${a}.${quoted(column)} = ${b}.${quoted(bs[at] as string)}`);
  const from = `${tableSql(to)} as ${source.alias}`;
  for (const column of fromColumns) {
    if (!parent.columns.has(column)) throw noColumn(parent.name, column);
  }
  if (junction === undefined) return { from, conditions: equal(source.alias, toColumns, parent.alias, fromColumns) };
  const through = build.nextName();
  const on = equal(through, junction.toColumns, source.alias, toColumns).join(' and ');
  return {
    from: `${from} join ${tableSql(junction.table)} as ${through} on ${on}`,
    conditions: equal(through, junction.fromColumns, parent.alias, fromColumns),
  };
}

function outputOf(
  build: Build,
  source: Source,
  item: SelectItem,
  embedded: readonly Embedded[],
  lateral: readonly Lateral[],
): OutputColumn[] {
  if (item.kind === 'all') {
    return [...source.columns.keys()].map((name) => ({ name, sql: `${source.alias}.${quoted(name)}` }));
  }
  if (item.kind === 'embed') {
    const at = embedded.findIndex((each) => each.item === item);
    const { alias, toOne } = embedded[at] as Embedded;
    if (item.spread) {
      return (lateral[at] as Lateral).columns.map(({ name }) => ({ name, sql: `${alias}.${quoted(name)}` }));
    }
    if (item.query.select.length === 0) return [];
    return [{ name: item.alias ?? item.target, sql: toOne ? `${alias}._j` : `coalesce(${alias}._j, '[]'::json)` }];
  }
  const { sql } = fieldSql(build, source, item.field);
  return [
    { name: item.alias ?? memberName(item.field), sql: item.cast === undefined ? sql : castSql(build, sql, item.cast) },
  ];
}

/** The last key of a JSON path, as PostgREST has it; a position has no name of its own. */
function memberName({ name, path }: Field): string {
  return path.findLast(({ key, isIndex }) => !isIndex && key !== '')?.key ?? name;
}

function castSql(build: Build, sql: string, cast: string): string {
  const type = build.schema.types.get(cast) ?? build.schema.types.get(cast.toLowerCase());
  if (type === undefined) throw new RestError({ sqlstate: '42704', status: 400 }, `type "${cast}" does not exist`);
  return `(${sql})::${type}`;
}
