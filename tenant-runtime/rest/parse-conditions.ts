// Owns the grammar of filters: `eq.1`, `not.in.(1,2)`, `like(any).{a*,b*}`, `fts(english).cat`, and trees of and/or whose leaves
// are filters of the same form. An operator is looked up in a table; a value is only ever a parameter of the statement.
import { parseJsonPath } from './parse-select.ts';
import type { Condition, Field, Test } from './query-types.ts';
import { Scanner } from './scanner.ts';

const comparisons: Readonly<Record<string, string>> = {
  eq: '=',
  neq: '<>',
  gt: '>',
  gte: '>=',
  lt: '<',
  lte: '<=',
  like: 'like',
  ilike: 'ilike',
  match: '~',
  imatch: '~*',
  isdistinct: 'is distinct from',
  cs: '@>',
  cd: '<@',
  ov: '&&',
  sl: '<<',
  sr: '>>',
  nxr: '&<',
  nxl: '&>',
  adj: '-|-',
};

/** Those that PostgreSQL can ask of any or of all of a list. */
const quantifiable = new Set(['eq', 'gt', 'gte', 'lt', 'lte', 'like', 'ilike', 'match', 'imatch']);

const searches: Readonly<Record<string, string>> = {
  fts: 'to_tsquery',
  plfts: 'plainto_tsquery',
  phfts: 'phraseto_tsquery',
  wfts: 'websearch_to_tsquery',
};

const isValues: Readonly<Record<string, Extract<Test, { kind: 'is' }>['value']>> = {
  null: 'null',
  not_null: 'not null',
  true: 'true',
  false: 'false',
  unknown: 'unknown',
};

/** One parameter: `field=not.eq.value`. */
export function parseFilter(field: Field, text: string): Condition {
  const scanner = new Scanner(text, `filter (${text.slice(0, 100)})`);
  const condition = parseTest(scanner, field, () => scanner.rest());
  scanner.end();
  return condition;
}

/** The value of and=, or=, not.and=, not.or=: `(a.eq.1,not.or(b.is.null,c.gt.2))` */
export function parseTree(all: boolean, negated: boolean, text: string): Condition {
  const scanner = new Scanner(text, `logic tree (${text.slice(0, 100)})`);
  const tree = parseParts(scanner, all, negated);
  scanner.end();
  return tree;
}

function parseParts(scanner: Scanner, all: boolean, negated: boolean): Condition {
  scanner.need('(');
  const parts: Condition[] = [];
  scanner.nested(() => {
    do parts.push(parseNode(scanner));
    while (scanner.eat(','));
  });
  scanner.need(')');
  return { kind: 'tree', all, negated, parts };
}

function parseNode(scanner: Scanner): Condition {
  scanner.match(/ +/);
  const opening = scanner.match(/(?:not\.)?(?:and|or)(?=\()/);
  if (opening !== undefined) return parseParts(scanner, opening.endsWith('and'), opening.startsWith('not.'));
  const field: Field = { name: scanner.name(), path: parseJsonPath(scanner) };
  scanner.need('.');
  return parseTest(scanner, field, () => treeValue(scanner));
}

/** Inside of a tree a value ends at a comma or a parenthesis, unless it is quoted or a list in braces. */
function treeValue(scanner: Scanner): string {
  if (scanner.startsWith('"')) return scanner.quotedText();
  return scanner.match(/\{(?:[^{}"]|"(?:[^"\\]|\\[\s\S])*"|\{[^{}]*\})*\}/) ?? scanner.match(/[^,)]*/) ?? '';
}

function parseTest(scanner: Scanner, field: Field, value: () => string): Condition {
  const negated = scanner.eat('not.');
  return { kind: 'test', field, negated, test: testOf(scanner, value) };
}

function testOf(scanner: Scanner, value: () => string): Test {
  const word = scanner.match(/[a-z]+/) ?? '';
  if (Object.hasOwn(comparisons, word)) {
    const operator = comparisons[word] as string;
    const of = quantifiable.has(word) ? scanner.match(/\((?:any|all)\)/)?.slice(1, -1) : undefined;
    scanner.need('.');
    const text = value();
    const pattern = word === 'like' || word === 'ilike';
    return {
      kind: 'compare',
      operator,
      value: pattern ? text.replaceAll('*', '%') : text,
      ...(of !== undefined && { of: of as 'any' | 'all' }),
    };
  }
  if (Object.hasOwn(searches, word)) {
    const config = scanner.eat('(') ? scanner.match(/[\w.-]{1,63}/) : undefined;
    if (config !== undefined) scanner.need(')');
    scanner.need('.');
    return {
      kind: 'search',
      parser: searches[word] as string,
      value: value(),
      ...(config !== undefined && { config }),
    };
  }
  if (word === 'is') {
    scanner.need('.');
    const name = (scanner.match(/[a-zA-Z_]+/) ?? '').toLowerCase();
    if (!Object.hasOwn(isValues, name)) throw scanner.unexpected('null, not_null, true, false or unknown');
    return { kind: 'is', value: isValues[name] as 'null' };
  }
  if (word === 'in') {
    scanner.need('.');
    return { kind: 'in', values: listOf(scanner) };
  }
  throw scanner.unexpected(
    `an operator (${[...Object.keys(comparisons), ...Object.keys(searches), 'is', 'in'].join(', ')})`,
  );
}

/** (1,2,"a, b") */
function listOf(scanner: Scanner): string[] {
  scanner.need('(');
  if (scanner.eat(')')) return [];
  const values: string[] = [];
  do values.push(scanner.startsWith('"') ? scanner.quotedText() : (scanner.match(/[^,)]*/) ?? ''));
  while (scanner.eat(','));
  scanner.need(')');
  return values;
}
