// Owns the shapes of a request for rows after it was parsed: what to select, which rows, in which order, how many. Names in it
// are as the client wrote them and mean nothing until they were looked up in the schema.

/** A column and the way into its JSON. */
export type Field = { readonly name: string; readonly path: readonly JsonStep[] };
export type JsonStep = { readonly asText: boolean; readonly key: string; readonly isIndex: boolean };

export type SelectItem =
  | { readonly kind: 'all' }
  | { readonly kind: 'field'; readonly field: Field; readonly alias?: string; readonly cast?: string }
  | Embed;

export type Embed = {
  readonly kind: 'embed';
  readonly target: string;
  readonly hint?: string;
  readonly alias?: string;
  readonly inner: boolean;
  readonly spread: boolean;
  readonly query: RowsQuery;
};

export type Condition =
  | { readonly kind: 'test'; readonly field: Field; readonly negated: boolean; readonly test: Test }
  | { readonly kind: 'tree'; readonly all: boolean; readonly negated: boolean; readonly parts: readonly Condition[] };

export type Test =
  | { readonly kind: 'compare'; readonly operator: string; readonly value: string; readonly of?: 'any' | 'all' }
  | { readonly kind: 'is'; readonly value: 'null' | 'not null' | 'true' | 'false' | 'unknown' }
  | { readonly kind: 'in'; readonly values: readonly string[] }
  | { readonly kind: 'search'; readonly parser: string; readonly config?: string; readonly value: string };

export type OrderTerm = {
  readonly field: Field;
  /** The embedded resource whose column it is. */
  readonly embed?: string;
  readonly descending: boolean;
  readonly nulls?: 'first' | 'last';
};

/** The parts that other parameters than select fill in, for the top and for each embedded resource. */
export type RowsQuery = {
  readonly select: readonly SelectItem[];
  readonly where: Condition[];
  order: readonly OrderTerm[];
  limit: number | undefined;
  offset: number;
};

export function rowsQuery(select: readonly SelectItem[]): RowsQuery {
  return { select, where: [], order: [], limit: undefined, offset: 0 };
}
