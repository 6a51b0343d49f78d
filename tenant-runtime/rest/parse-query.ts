// Owns turning the query string of a request into one RowsQuery: select first, then each other parameter into the part of the
// tree that its path names. What is neither a known word nor a filter of a column is refused when the column is looked up.
import { parseFilter, parseTree } from './parse-conditions.ts';
import { parseJsonPath, parseOrder, parseSelect } from './parse-select.ts';
import { type Embed, type Field, type RowsQuery, rowsQuery } from './query-types.ts';
import { RestError } from './rest-error.ts';
import { Scanner } from './scanner.ts';

export type ParsedQuery = {
  readonly rows: RowsQuery;
  /** Of a write: which members of the body count. */
  readonly columns: readonly string[] | undefined;
  readonly onConflict: readonly string[] | undefined;
};

/** PostgreSQL takes 1,664 columns of a result and 65,535 parameters; a request that comes near to it is no request of a product. */
const parametersMax = 500;

/**
 * @param skip parameters that are no filters: the arguments of a function
 * @throws RestError PGRST100, PGRST103, PGRST108, PGRST123
 */
export function parseQuery(params: URLSearchParams, skip: (name: string) => boolean = () => false): ParsedQuery {
  if (params.size > parametersMax) {
    throw new RestError('PGRST100', `A query has at most ${parametersMax} parameters`);
  }
  const root = rowsQuery(parseSelect(params.get('select') ?? '*'));
  for (const [key, value] of params) {
    if (key.includes('\0') || value.includes('\0')) {
      throw new RestError({ sqlstate: '22021', status: 400 }, 'a parameter must not contain a zero character');
    }
    if (!topWords.has(key) && !skip(key)) place(root, key, value);
  }
  return { rows: root, columns: namesOf(params.get('columns')), onConflict: namesOf(params.get('on_conflict')) };
}

const topWords = new Set(['select', 'columns', 'on_conflict']);

function namesOf(text: string | null): string[] | undefined {
  if (text === null || text === '') return undefined;
  const scanner = new Scanner(text, `columns (${text.slice(0, 100)})`);
  const names: string[] = [];
  do names.push(scanner.name());
  while (scanner.eat(','));
  scanner.end();
  return names;
}

/** `tasks.comments.order` is the order of the comments in the tasks. */
function place(root: RowsQuery, key: string, value: string): void {
  const { path, last, field } = partsOf(key);
  const node = (depth: number) => path.slice(0, depth).reduce((at, name) => child(at, name), root);
  const [before] = path.slice(-1);
  if (field.path.length === 0) {
    if (last === 'and' || last === 'or') {
      const negated = before === 'not';
      node(negated ? path.length - 1 : path.length).where.push(parseTree(last === 'and', negated, value));
      return;
    }
    const here = wordTakers[last];
    if (here !== undefined && Object.hasOwn(wordTakers, last)) {
      here(node(path.length), value);
      return;
    }
  }
  node(path.length).where.push(parseFilter(field, value));
}

const wordTakers: Readonly<Record<string, (node: RowsQuery, value: string) => void>> = {
  order: (node, value) => {
    node.order = parseOrder(value);
  },
  limit: (node, value) => {
    node.limit = countOf('limit', value);
  },
  offset: (node, value) => {
    node.offset = countOf('offset', value);
  },
};

function partsOf(key: string): { path: string[]; last: string; field: Field } {
  const scanner = new Scanner(key, `parameter (${key.slice(0, 100)})`);
  const names = [scanner.name()];
  while (scanner.eat('.')) names.push(scanner.name());
  const jsonPath = parseJsonPath(scanner);
  scanner.end();
  const last = names.at(-1) as string;
  return { path: names.slice(0, -1), last, field: { name: last, path: jsonPath } };
}

function child(node: RowsQuery, name: string): RowsQuery {
  const embeds = node.select.filter((item): item is Embed => item.kind === 'embed');
  const found = embeds.find((each) => each.alias === name) ?? embeds.find((each) => each.target === name);
  if (found !== undefined) return found.query;
  throw new RestError('PGRST108', `'${name}' is not an embedded resource in this request`, {
    hint: `Verify that '${name}' is included in the 'select' query parameter.`,
  });
}

function countOf(what: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  if (/^-\d+$/.test(text)) {
    throw new RestError('PGRST103', 'Requested range not satisfiable', {
      details: `${what} should be greater than or equal to zero.`,
    });
  }
  throw new RestError('PGRST100', `"failed to parse ${what} parameter (${text.slice(0, 100)})"`, {
    details: 'a whole number is expected',
  });
}
