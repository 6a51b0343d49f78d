// Owns what the REST API knows of a tenant's schema: tables, columns, keys, relationships, functions, all of schema public.
// Every identifier that gets into SQL comes from here, quoted; a name in a request is only ever looked up. Never changed
// after it was made, and shared by all tenants whose databases look the same.

export type Column = {
  readonly name: string;
  /** With its modifier, as SQL writes it: character varying(20). */
  readonly type: string;
  readonly notNull: boolean;
  /** The expression; null where there is none or the database alone may set the column. */
  readonly default: string | null;
  readonly hasDefault: boolean;
  readonly comment: string | null;
  readonly enums: readonly string[] | null;
};

export type Table = {
  readonly name: string;
  readonly kind: 'table' | 'view';
  readonly comment: string | null;
  readonly columns: ReadonlyMap<string, Column>;
  readonly primaryKey: readonly string[];
  readonly uniques: readonly (readonly string[])[];
  /** Functions of one row of this table: readable as if they were columns. */
  readonly computed: ReadonlyMap<string, Column>;
};

export type ForeignKey = {
  readonly name: string;
  readonly table: string;
  readonly columns: readonly string[];
  readonly foreignTable: string;
  readonly foreignColumns: readonly string[];
};

export type Relationship = {
  readonly kind: 'many-to-one' | 'one-to-many' | 'one-to-one' | 'many-to-many';
  readonly from: string;
  readonly to: string;
  /** Of `from`, and of `to` in the same order; of the two ends of the junction where there is one. */
  readonly fromColumns: readonly string[];
  readonly toColumns: readonly string[];
  readonly constraint: string;
  readonly junction?: {
    readonly table: string;
    readonly fromColumns: readonly string[];
    readonly toColumns: readonly string[];
    readonly constraint: string;
  };
};

export type FunctionArgument = {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly variadic: boolean;
};

export type Routine = {
  readonly name: string;
  readonly comment: string | null;
  readonly volatility: 'volatile' | 'stable' | 'immutable';
  readonly arguments: readonly FunctionArgument[];
  readonly returnsSet: boolean;
  readonly returns:
    | { readonly kind: 'void' }
    | { readonly kind: 'scalar'; readonly type: string }
    | { readonly kind: 'table'; readonly table: string }
    | { readonly kind: 'record'; readonly columns: ReadonlyMap<string, Column> };
};

export type TenantSchema = {
  readonly tables: ReadonlyMap<string, Table>;
  readonly relationships: readonly Relationship[];
  readonly routines: ReadonlyMap<string, readonly Routine[]>;
  /** Names of types that a value may be cast to, as clients write them → as SQL writes them. */
  readonly types: ReadonlyMap<string, string>;
};

/** In double quotes. Names are the schema's own; the one exception is the name that a client gives to a member of the answer. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Every identifier of ours in generated SQL begins with an underscore and is not quoted: _t, _s, _j, _1, _2 … */
export function tableSql(name: string): string {
  return `public.${quoted(name)}`;
}

/** Built-in types that a select may cast to. */
export const castableTypes: readonly string[] = [
  ...[
    'text',
    'varchar',
    'bpchar',
    'int2',
    'int4',
    'int8',
    'smallint',
    'integer',
    'int',
    'bigint',
    'numeric',
    'decimal',
  ],
  ...['float4', 'float8', 'real', 'double precision', 'bool', 'boolean', 'date', 'time', 'timetz', 'timestamp'],
  ...[
    'timestamptz',
    'interval',
    'uuid',
    'json',
    'jsonb',
    'bytea',
    'inet',
    'cidr',
    'macaddr',
    'money',
    'xml',
    'tsvector',
  ],
  ...['tsquery', 'int4range', 'int8range', 'numrange', 'daterange', 'tsrange', 'tstzrange', 'bit', 'varbit', 'point'],
];
