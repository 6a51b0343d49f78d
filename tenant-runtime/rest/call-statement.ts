// Owns calling a function: which of those with one name takes the arguments that were given, and the statement. Arguments are
// given by name; of a POST they are the members of one JSON parameter, of a GET one text parameter each.
import { type Build, newBuild, rowsSource, type Statement } from './build.ts';
import type { RowsQuery } from './query-types.ts';
import { RestError } from './rest-error.ts';
import { bodySql, type ReadOptions, readSql } from './statements.ts';
import { type FunctionArgument, quoted, type Routine, type TenantSchema, tableSql } from './tenant-schema.ts';

export type CallArguments =
  | { readonly kind: 'members'; readonly names: readonly string[]; readonly json: string }
  | { readonly kind: 'texts'; readonly values: ReadonlyMap<string, readonly string[]> }
  /** The whole body for a function of one unnamed json argument. */
  | { readonly kind: 'whole'; readonly json: string };

/** @throws RestError PGRST202, PGRST203 */
export function findRoutine(
  schema: TenantSchema,
  name: string,
  args: CallArguments,
): { routine: Routine; args: CallArguments } {
  const named = schema.routines.get(name) ?? [];
  const given = args.kind === 'members' ? args.names : args.kind === 'texts' ? [...args.values.keys()] : [];
  const fitting = named.filter((each) => takes(each, given));
  if (fitting.length === 1) return { routine: fitting[0] as Routine, args };
  if (fitting.length === 0 && args.kind === 'members') {
    const whole = named.find((each) => isUnnamedJson(each.arguments));
    if (whole !== undefined) return { routine: whole, args: { kind: 'whole', json: args.json } };
  }
  const shown = given.map((each) => each.slice(0, 63)).slice(0, 20);
  const described = `public.${name.slice(0, 63)}(${shown.join(', ')})`;
  if (fitting.length === 0) {
    const withArguments = shown.length === 0 ? 'without parameters' : `with parameters ${shown.join(', ')}`;
    throw new RestError('PGRST202', `Could not find the function ${described} in the schema cache`, {
      details: `Searched for the function public.${name.slice(0, 63)} ${withArguments}, but no matches were found in the schema cache.`,
      hint: named.length > 0 ? `Perhaps you meant to call the function ${signature(named[0] as Routine)}` : null,
    });
  }
  throw new RestError(
    'PGRST203',
    `Could not choose the best candidate function between: ${fitting.map(signature).join(', ')}`,
    {
      hint: 'Try renaming the parameters or the function itself in the database so function overloading can be resolved',
    },
  );
}

function takes({ arguments: taken }: Routine, given: readonly string[]): boolean {
  if (taken.some(({ name, required }) => name === '' && required)) return false;
  const names = new Set(taken.map(({ name }) => name));
  return (
    given.every((name) => names.has(name)) && taken.every(({ name, required }) => !required || given.includes(name))
  );
}

function isUnnamedJson(taken: readonly FunctionArgument[]): boolean {
  return taken.length === 1 && taken[0]?.name === '' && ['json', 'jsonb'].includes(taken[0].type);
}

function signature({ name, arguments: taken }: Routine): string {
  return `public.${name}(${taken.map((each) => `${each.name} => ${each.type}`).join(', ')})`;
}

export function callStatement(
  schema: TenantSchema,
  routine: Routine,
  args: CallArguments,
  query: RowsQuery,
  options: ReadOptions,
): Statement {
  const build = newBuild(schema);
  const { returns } = routine;
  const rename = returns.kind === 'scalar' ? '(_v)' : '';
  const call = `with _r as (select _c.* from ${calledSql(build, routine, args)} as _c${rename})`;
  return { text: `${call} ${answerSql(build, schema, routine, query, options)}`, params: build.params };
}

function answerSql(
  build: Build,
  schema: TenantSchema,
  { name, returns, returnsSet }: Routine,
  query: RowsQuery,
  options: ReadOptions,
): string {
  const media =
    options.media.kind === 'array' && !returnsSet ? { ...options.media, kind: 'object' as const } : options.media;
  switch (returns.kind) {
    case 'void':
      return 'select null as body, pg_catalog.count(*) as rows, null as total from _r';
    case 'scalar': {
      if (media.kind === 'csv') return `select _v as ${quoted(name)} from _r`;
      const body = bodySql(media, '_r._v');
      const total = options.withTotal ? 'pg_catalog.count(*)' : 'null';
      return `select ${options.withBody ? body : 'null'} as body, pg_catalog.count(*) as rows, ${total} as total from _r`;
    }
    case 'table': {
      const columns = schema.tables.get(returns.table)?.columns ?? new Map();
      return readSql(build, '_r', rowsSource('_r', name, columns, returns.table), query, { ...options, media });
    }
    case 'record':
      return readSql(build, '_r', rowsSource('_r', name, returns.columns), query, { ...options, media });
  }
}

/** A FROM item: the arguments, and beside them the call. */
function calledSql(build: Build, { name, arguments: taken }: Routine, args: CallArguments): string {
  const call = (list: string) => `${tableSql(name)}(${list})`;
  if (args.kind === 'whole') return call(`${build.bind(args.json)}::${taken[0]?.type}`);
  const given = args.kind === 'members' ? args.names : [...args.values.keys()];
  const used = taken.filter((each) => given.includes(each.name));
  if (used.length === 0) return call('');
  const passed = (value: (each: FunctionArgument) => string) =>
    used.map((each) => `${each.variadic ? 'variadic ' : ''}${quoted(each.name)} => ${value(each)}`).join(', ');
  if (args.kind === 'texts') {
    return call(passed((each) => `${build.bind(textOf(each, args.values.get(each.name) ?? []))}::${each.type}`));
  }
  const definition = used.map((each) => `${quoted(each.name)} ${each.type}`).join(', ');
  const members = `pg_catalog.json_to_record(${build.bind(args.json)}::json) as _a(${definition})`;
  return `${members}, lateral ${call(passed((each) => `_a.${quoted(each.name)}`))}`;
}

/** A repeated parameter is a list for a variadic argument; otherwise the last one counts. */
function textOf({ variadic }: FunctionArgument, values: readonly string[]): string {
  const last = values.at(-1) ?? '';
  if (!variadic || (values.length === 1 && last.startsWith('{'))) return last;
  return `{${values.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}
