// Owns asking a database for its schema: one statement that answers with one document: tables, keys, functions, types of the
// exposed schema, by names and expressions.
import type { QueryOptions, Session } from '../../platform/postgres/session.ts';
import type { Access } from '../route.ts';
import { relationshipsOf } from './relationships.ts';
import {
  type Column,
  castableTypes,
  type ForeignKey,
  type FunctionArgument,
  type Routine,
  type Table,
  type TenantSchema,
} from './tenant-schema.ts';

/** Everything is qualified, so that no search_path leads it elsewhere. */
const documentSql = `select json_build_object(
'tables', (select coalesce(json_agg(t order by t.name), '[]') from (
  select c.relname as name, c.relkind in ('r', 'p', 'f') as is_table, pg_catalog.obj_description(c.oid, 'pg_class') as comment,
    (select coalesce(json_agg(json_build_object('name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
        'not_null', a.attnotnull, 'has_default', a.atthasdef or a.attidentity <> '', 'default', case
          when a.attgenerated <> '' or a.attidentity = 'a' then null
          when a.attidentity = 'd' then pg_catalog.format('nextval(%L)',
            pg_catalog.pg_get_serial_sequence(pg_catalog.format('public.%I', c.relname), a.attname))
          else pg_catalog.pg_get_expr(d.adbin, d.adrelid) end,
        'comment', pg_catalog.col_description(c.oid, a.attnum),
        'enums', (select json_agg(e.enumlabel order by e.enumsortorder) from pg_catalog.pg_enum e where e.enumtypid = a.atttypid)
      ) order by a.attnum), '[]')
      from pg_catalog.pg_attribute a left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
    (select coalesce(json_agg(k order by k.is_primary desc, k.columns::text), '[]') from (
      select i.indisprimary as is_primary, (select json_agg(a.attname order by x.at) from pg_catalog.unnest(i.indkey::int2[])
          with ordinality x (attnum, at) join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = x.attnum
          where x.at <= i.indnkeyatts) as columns
      from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisunique and i.indpred is null and i.indexprs is null) k) as keys
  from pg_catalog.pg_class c
  where c.relnamespace = 'public'::pg_catalog.regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition) t),
'foreign_keys', (select coalesce(json_agg(f order by f.name, f."table"), '[]') from (
  select f.conname as name, c.relname as "table", p.relname as foreign_table,
    (select json_agg(a.attname order by x.at) from pg_catalog.unnest(f.conkey) with ordinality x (attnum, at)
      join pg_catalog.pg_attribute a on a.attrelid = f.conrelid and a.attnum = x.attnum) as columns,
    (select json_agg(a.attname order by x.at) from pg_catalog.unnest(f.confkey) with ordinality x (attnum, at)
      join pg_catalog.pg_attribute a on a.attrelid = f.confrelid and a.attnum = x.attnum) as foreign_columns
  from pg_catalog.pg_constraint f join pg_catalog.pg_class c on c.oid = f.conrelid join pg_catalog.pg_class p on p.oid = f.confrelid
  where f.contype = 'f' and f.conparentid = 0 and c.relnamespace = 'public'::pg_catalog.regnamespace
    and p.relnamespace = c.relnamespace) f),
'routines', (select coalesce(json_agg(r order by r.name, r.signature), '[]') from (
  select p.proname as name, pg_catalog.pg_get_function_identity_arguments(p.oid) as signature, p.provolatile as volatility,
    pg_catalog.obj_description(p.oid, 'pg_proc') as comment, p.pronargdefaults as defaults, p.proargnames as names,
    p.proargmodes::text[] as modes, p.provariadic <> 0 as variadic, p.proretset as returns_set,
    (select json_agg(pg_catalog.format_type(x.type, null) order by x.at)
      from pg_catalog.unnest(coalesce(p.proallargtypes, p.proargtypes::pg_catalog.oid[])) with ordinality x (type, at)) as types,
    (select c.relname from pg_catalog.pg_type t join pg_catalog.pg_class c on c.oid = t.typrelid
      where t.oid = p.proargtypes[0] and p.pronargs = 1 and c.relnamespace = p.pronamespace) as row_of,
    pg_catalog.format_type(p.prorettype, null) as return_type,
    (select c.relname from pg_catalog.pg_type t join pg_catalog.pg_class c on c.oid = t.typrelid
      where t.oid = p.prorettype and c.relnamespace = p.pronamespace) as return_table
  from pg_catalog.pg_proc p where p.pronamespace = 'public'::pg_catalog.regnamespace and p.prokind = 'f'
    and p.prorettype not in ('trigger'::pg_catalog.regtype, 'event_trigger'::pg_catalog.regtype)) r),
'types', (select coalesce(json_agg(t.typname order by t.typname), '[]') from pg_catalog.pg_type t
  where t.typnamespace = 'public'::pg_catalog.regnamespace and t.typtype in ('e', 'd'))
)::text as document`;

type ColumnDoc = Omit<Column, 'notNull' | 'hasDefault'> & { not_null: boolean; has_default: boolean };
type TableDoc = {
  name: string;
  is_table: boolean;
  comment: string | null;
  columns: ColumnDoc[];
  keys: { is_primary: boolean; columns: string[] }[];
};
type RoutineDoc = {
  name: string;
  volatility: 'v' | 's' | 'i';
  comment: string | null;
  defaults: number;
  names: string[] | null;
  modes: ('i' | 'o' | 'b' | 'v' | 't')[] | null;
  variadic: boolean;
  returns_set: boolean;
  types: string[] | null;
  row_of: string | null;
  return_type: string;
  return_table: string | null;
};
type SchemaDocument = {
  tables: TableDoc[];
  foreign_keys: (Omit<ForeignKey, 'foreignTable' | 'foreignColumns'> & {
    foreign_table: string;
    foreign_columns: string[];
  })[];
  routines: RoutineDoc[];
  types: string[];
};

/** A fleet has a few versions at a time; a schema of a hundred tables takes about 1 MB here. */
export const restSchemasMax = 50;

export async function readSchema(session: Session, _access: Access, options: QueryOptions): Promise<TenantSchema> {
  const { rows } = await session.query<{ document: string }>(documentSql, [], options);
  return schemaOf(JSON.parse((rows[0] as { document: string }).document) as SchemaDocument);
}

function schemaOf(document: SchemaDocument): TenantSchema {
  const tables = new Map(document.tables.map((table) => [table.name, tableOf(table, document.routines)]));
  const foreignKeys = document.foreign_keys.map(({ foreign_table, foreign_columns, ...key }) => ({
    ...key,
    foreignTable: foreign_table,
    foreignColumns: foreign_columns,
  }));
  const routines = new Map<string, Routine[]>();
  for (const doc of document.routines) {
    routines.set(doc.name, [...(routines.get(doc.name) ?? []), routineOf(doc)]);
  }
  const types = new Map(castableTypes.map((name) => [name, name]));
  for (const name of document.types) types.set(name, `public."${name.replaceAll('"', '""')}"`);
  return { tables, relationships: relationshipsOf(tables, foreignKeys), routines, types };
}

function tableOf(doc: TableDoc, routines: readonly RoutineDoc[]): Table {
  const columns = new Map(doc.columns.map((column) => [column.name, columnOf(column)]));
  const computed = routines.filter(
    (each) => each.row_of === doc.name && !each.returns_set && each.return_table === null,
  );
  return {
    name: doc.name,
    kind: doc.is_table ? 'table' : 'view',
    comment: doc.comment,
    columns,
    primaryKey: doc.keys.find((key) => key.is_primary)?.columns ?? [],
    uniques: doc.keys.map((key) => key.columns),
    computed: new Map(
      computed
        .filter(({ name }) => !columns.has(name))
        .map((each) => [each.name, plainColumn(each.name, each.return_type)]),
    ),
  };
}

function columnOf({ not_null, has_default, ...column }: ColumnDoc): Column {
  return { ...column, notNull: not_null, hasDefault: has_default };
}

function plainColumn(name: string, type: string): Column {
  return { name, type, notNull: false, default: null, hasDefault: false, comment: null, enums: null };
}

const volatilities = { v: 'volatile', s: 'stable', i: 'immutable' } as const;

function routineOf(doc: RoutineDoc): Routine {
  const { names, modes, types, defaults, return_type: type, return_table: table } = doc;
  const all = (types ?? []).map((each, at) => ({ type: each, name: names?.[at] ?? '', mode: modes?.[at] ?? 'i' }));
  const taken = all.filter(({ mode }) => mode !== 'o' && mode !== 't');
  const given = all.filter(({ mode }) => mode !== 'i' && mode !== 'v');
  const args: FunctionArgument[] = taken.map((each, at) => ({
    name: each.name,
    type: each.type,
    required: at < taken.length - defaults && !(doc.variadic && at === taken.length - 1),
    variadic: doc.variadic && at === taken.length - 1,
  }));
  const returns: Routine['returns'] =
    table !== null
      ? { kind: 'table', table }
      : type === 'void'
        ? { kind: 'void' }
        : given.length > 1 || (given.length === 1 && given[0]?.mode === 't')
          ? { kind: 'record', columns: new Map(given.map((each) => [each.name, plainColumn(each.name, each.type)])) }
          : { kind: 'scalar', type };
  return {
    name: doc.name,
    comment: doc.comment,
    volatility: volatilities[doc.volatility],
    arguments: args,
    returnsSet: doc.returns_set,
    returns,
  };
}
