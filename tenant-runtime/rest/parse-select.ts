// Owns the grammar of `select`: columns with alias, cast and JSON path, embedded resources with hint and join, spread; and of
// `order`, which names columns in the same way.
import { type Embed, type Field, type JsonStep, type OrderTerm, rowsQuery, type SelectItem } from './query-types.ts';
import { RestError } from './rest-error.ts';
import { Scanner } from './scanner.ts';

/** @throws RestError PGRST100, PGRST123 */
export function parseSelect(text: string): readonly SelectItem[] {
  const scanner = new Scanner(text, `select parameter (${text.slice(0, 100)})`);
  const items = parseItems(scanner);
  scanner.end();
  return items;
}

function parseItems(scanner: Scanner): SelectItem[] {
  const items: SelectItem[] = [];
  if (scanner.atEnd || scanner.startsWith(')')) return items;
  do {
    scanner.match(/ +/);
    items.push(parseItem(scanner));
    scanner.match(/ +/);
  } while (scanner.eat(','));
  return items;
}

function parseItem(scanner: Scanner): SelectItem {
  if (scanner.eat('...')) return parseEmbed(scanner, scanner.name(), undefined, true);
  if (scanner.eat('*')) return { kind: 'all' };
  const first = scanner.name();
  if (!scanner.startsWith('::') && scanner.eat(':')) return parseNamed(scanner, scanner.name(), first);
  return parseNamed(scanner, first, undefined);
}

function parseNamed(scanner: Scanner, name: string, alias: string | undefined): SelectItem {
  if (scanner.startsWith('!') || scanner.startsWith('(')) return parseEmbed(scanner, name, alias, false);
  const field: Field = { name, path: parseJsonPath(scanner) };
  refuseAggregate(scanner);
  const cast = scanner.eat('::') ? scanner.name() : undefined;
  refuseAggregate(scanner);
  return { kind: 'field', field, ...(alias !== undefined && { alias }), ...(cast !== undefined && { cast }) };
}

function refuseAggregate(scanner: Scanner): void {
  if (scanner.match(/\.(?:sum|avg|min|max|count)\(\)/) === undefined) return;
  throw new RestError('PGRST123', 'Use of aggregate functions is not allowed');
}

function parseEmbed(scanner: Scanner, target: string, alias: string | undefined, spread: boolean): Embed {
  let hint: string | undefined;
  let inner = false;
  while (scanner.eat('!')) {
    const word = scanner.name();
    if (word === 'inner') inner = true;
    else if (word !== 'left') hint = word;
  }
  scanner.need('(');
  if (target === 'count' && scanner.startsWith(')')) {
    throw new RestError('PGRST123', 'Use of aggregate functions is not allowed');
  }
  const select = scanner.nested(() => parseItems(scanner));
  scanner.need(')');
  return {
    kind: 'embed',
    target,
    inner,
    spread,
    query: rowsQuery(select),
    ...(alias !== undefined && { alias }),
    ...(hint !== undefined && { hint }),
  };
}

/** ->a->>b, ->0: a key that is a whole number is a place in a list. */
export function parseJsonPath(scanner: Scanner): JsonStep[] {
  const path: JsonStep[] = [];
  while (scanner.startsWith('->')) {
    const asText = scanner.eat('->>') || !scanner.eat('->');
    if (scanner.startsWith('"')) {
      path.push({ asText, key: scanner.quotedText(), isIndex: false });
      continue;
    }
    const key = scanner.match(/(?:[^-.,:()"]|-(?!>))+/);
    if (key === undefined) throw scanner.unexpected('a key or a position');
    path.push({ asText, key, isIndex: /^-?\d{1,9}$/.test(key) });
  }
  return path;
}

/** `a.desc.nullslast,b->c,rel(d).asc` */
export function parseOrder(text: string): OrderTerm[] {
  const scanner = new Scanner(text, `order (${text.slice(0, 100)})`);
  const terms: OrderTerm[] = [];
  if (text === '') return terms;
  do terms.push(parseTerm(scanner));
  while (scanner.eat(','));
  scanner.end();
  return terms;
}

function parseTerm(scanner: Scanner): OrderTerm {
  let name = scanner.name();
  let embed: string | undefined;
  if (scanner.eat('(')) {
    embed = name;
    name = scanner.name();
  }
  const field: Field = { name, path: parseJsonPath(scanner) };
  if (embed !== undefined) scanner.need(')');
  const direction = scanner.match(/\.(?:asc|desc)(?![\w])/);
  const nulls = scanner.match(/\.nulls(?:first|last)(?![\w])/);
  return {
    field,
    descending: direction === '.desc',
    ...(embed !== undefined && { embed }),
    ...(nulls !== undefined && { nulls: nulls === '.nullsfirst' ? 'first' : 'last' }),
  };
}
