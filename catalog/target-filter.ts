// Owns the filter of a selection: a small language like SQL's conditions, parsed here and turned into expressions with bound
// values. Nothing of its text reaches the server as SQL.
//   plan = 'team' and region in ('eu', 'us') and label.tier = 'gold' and not slug like 'test-%' and version < '20260101000000000'
import { type RawBuilder, sql } from 'kysely';
import { catalogFault } from './errors.ts';

type Condition = RawBuilder<boolean>;
type Token = { text: string; kind: 'word' | 'string' | 'symbol'; at: number };

/** Over tenants as t, databases as d, clusters as c, the lane's version as text. @throws Fault selection_invalid with the position */
export function parseTargetFilter(filter: string, lane: string): Condition {
  const tokens = tokensOf(filter);
  let next = 0;
  const peek = (): Token | undefined => tokens[next];
  const isWord = (word: string) => peek()?.kind !== 'string' && peek()?.text.toLowerCase() === word;
  const take = (word: string): boolean => {
    if (!isWord(word)) return false;
    next++;
    return true;
  };
  const expected = (what: string) => {
    const token = peek();
    const where = token === undefined ? 'at the end' : `at character ${token.at + 1} ("${token.text}")`;
    return catalogFault('selection_invalid', `The filter cannot be read ${where}: ${what} is expected there.`);
  };
  const must = (word: string): void => {
    if (!take(word)) throw expected(`"${word}"`);
  };
  const value = (): string => {
    const token = peek();
    if (token === undefined || (token.kind !== 'string' && !/^[\d.]+$/.test(token.text))) throw expected("a 'value'");
    next++;
    return token.text;
  };

  const or = (): Condition => {
    const parts = [and()];
    while (take('or')) parts.push(and());
    return sql`(${sql.join(parts, sql` or `)})`;
  };
  const and = (): Condition => {
    const parts = [not()];
    while (take('and')) parts.push(not());
    return sql`(${sql.join(parts, sql` and `)})`;
  };
  const not = (): Condition => {
    if (take('not')) return sql`(not coalesce(${not()}, false))`;
    if (!take('(')) return comparison();
    const inner = or();
    must(')');
    return inner;
  };
  const comparison = (): Condition => {
    const field = fieldOf(peek(), lane);
    if (field === undefined) throw expected(`one of ${Object.keys(fields).join(', ')}, label.<name>`);
    next++;
    if (take('is')) {
      const negated = take('not');
      must('null');
      return negated ? sql`${field} is not null` : sql`${field} is null`;
    }
    const negated = take('not');
    if (take('in')) {
      must('(');
      const values = [value()];
      while (take(',')) values.push(value());
      must(')');
      return negated
        ? sql`${field} <> all(${sql.val(values)}::text[])`
        : sql`${field} = any(${sql.val(values)}::text[])`;
    }
    if (take('like')) return negated ? sql`${field} not like ${value()}` : sql`${field} like ${value()}`;
    const operator = peek()?.text ?? '';
    if (negated || !Object.hasOwn(operators, operator)) throw expected('=, <>, <, <=, >, >=, in, like or is null');
    next++;
    return sql`${field} ${operators[operator as keyof typeof operators]} ${value()}`;
  };

  const condition = or();
  if (peek() !== undefined) throw expected('and, or, or the end');
  return condition;
}

const operators = { '=': sql`=`, '<>': sql`<>`, '!=': sql`<>`, '<': sql`<`, '<=': sql`<=`, '>': sql`>`, '>=': sql`>=` };

/** All as text; moments in ISO form, so that they compare as they read. */
const fields: Readonly<Record<string, RawBuilder<string>>> = {
  slug: sql`t.slug`,
  plan: sql`t.plan_id`,
  region: sql`t.region`,
  tier: sql`t.tier`,
  state: sql`t.state`,
  cluster: sql`c.name`,
  created_at: sql`to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')`,
};

function fieldOf(token: Token | undefined, lane: string): RawBuilder<string> | undefined {
  if (token?.kind !== 'word') return undefined;
  const name = token.text.toLowerCase();
  if (name === 'version') return sql`(d.lanes -> ${lane}::text ->> 'version')`;
  const label = /^label\.([\w./-]{1,63})$/i.exec(token.text)?.[1];
  if (label !== undefined) return sql`(t.labels ->> ${label}::text)`;
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function tokensOf(filter: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /\s*(?:'((?:[^']|'')*)'|([A-Za-z_][\w.-]*|[\d.]+)|(<>|!=|<=|>=|[=<>(),]))/y;
  while (filter.slice(pattern.lastIndex).trim() !== '') {
    const at = pattern.lastIndex;
    const match = pattern.exec(filter);
    if (match === null) {
      throw catalogFault(
        'selection_invalid',
        `The filter cannot be read at character ${at + 1}: ${filter.slice(at, at + 20)}`,
      );
    }
    const [, text, word, symbol] = match;
    if (text !== undefined) tokens.push({ text: text.replaceAll("''", "'"), kind: 'string', at });
    else if (word !== undefined) tokens.push({ text: word, kind: 'word', at });
    else tokens.push({ text: symbol ?? '', kind: 'symbol', at });
  }
  return tokens;
}
