// Owns the filter of a selection: a small language like SQL's conditions, parsed here and turned into expressions with bound
// values. Nothing of its text reaches the server as SQL.
//   plan = 'team' and region in ('eu', 'us') and label.tier = 'gold' and not slug like 'test-%' and version < '20260101000000000'
import { type RawBuilder, sql } from 'kysely';
import { catalogFault } from './errors.ts';
import { tenantStates } from './tenant-states.ts';

/** A name that the filter compares with: whoever misspells one must be told, or `<>` and `not` would mean everybody. */
export type FilterName = { field: string; value: string };
/** `labels` are those that are compared; to ask whether one is there needs none that is. */
export type TargetFilter = { condition: RawBuilder<boolean>; names: FilterName[]; labels: string[] };

type Condition = RawBuilder<boolean>;
type Token = { text: string; kind: 'word' | 'string' | 'symbol'; at: number };

/** Over tenants as t, databases as d, clusters as c. @throws Fault selection_invalid with the position */
export function parseTargetFilter(filter: string, lane: string): TargetFilter {
  const tokens = tokensOf(filter);
  const names: FilterName[] = [];
  const labels: string[] = [];
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
  const value = (field?: Field): string => {
    const token = peek();
    if (token === undefined || (token.kind !== 'string' && !/^[\d.]+$/.test(token.text))) throw expected("a 'value'");
    if (field?.form?.test(token.text) === false) throw expected(field.what ?? 'another value');
    if (field?.named === true) names.push({ field: field.name, value: token.text });
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
    if (field === undefined) throw expected(`one of ${Object.keys(fields).join(', ')}, version, label.<name>`);
    next++;
    if (take('is')) {
      const negated = take('not');
      must('null');
      return negated ? sql`${field.text} is not null` : sql`${field.text} is null`;
    }
    if (field.label !== undefined) labels.push(field.label);
    const negated = take('not');
    if (take('in')) {
      must('(');
      const values = [value(field)];
      while (take(',')) values.push(value(field));
      must(')');
      const list = sql.join(values.map((each) => field.ordered(each)));
      return negated ? sql`${field.key} not in (${list})` : sql`${field.key} in (${list})`;
    }
    if (take('like')) {
      const pattern = value();
      if (/(?:^|[^\\])(?:\\\\)*\\$/.test(pattern)) {
        next--;
        throw expected('a pattern that does not end with a single backslash');
      }
      return negated ? sql`${field.text} not like ${pattern}` : sql`${field.text} like ${pattern}`;
    }
    const operator = peek()?.text ?? '';
    if (negated || !Object.hasOwn(operators, operator)) throw expected('=, <>, <, <=, >, >=, in, like or is null');
    next++;
    const compared = operators[operator as keyof typeof operators];
    return sql`${field.key} ${compared} ${field.ordered(value(field))}`;
  };

  const condition = or();
  if (peek() !== undefined) throw expected('and, or, or the end');
  return { condition, names, labels };
}

const operators = { '=': sql`=`, '<>': sql`<>`, '!=': sql`<>`, '<': sql`<`, '<=': sql`<=`, '>': sql`>`, '>=': sql`>=` };

type Field = {
  name: string;
  /** As people read it: for like and null. */
  text: RawBuilder<unknown>;
  /** What is compared, and a value in the same form. */
  key: RawBuilder<unknown>;
  ordered: (value: string) => RawBuilder<unknown>;
  /** Its values are names that exist or do not. */
  named?: boolean;
  /** What a value must look like, and how that is said. */
  form?: RegExp;
  what?: string;
  label?: string;
};

const plain = (name: string, text: RawBuilder<unknown>, more: Partial<Field> = {}): Field => ({
  name,
  text,
  key: text,
  ordered: (value) => sql`${value}::text`,
  ...more,
});
const createdAt = sql`to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')`;

/** Moments in ISO form, so that they compare as they read. */
const fields: Readonly<Record<string, Field>> = {
  slug: plain('slug', sql`t.slug`, { named: true }),
  plan: plain('plan', sql`t.plan_id`, { named: true }),
  region: plain('region', sql`t.region`, { named: true }),
  tier: plain('tier', sql`t.tier`, { form: /^(shared|dedicated)$/, what: "'shared' or 'dedicated'" }),
  state: plain('state', sql`t.state`, {
    form: new RegExp(`^(${tenantStates.join('|')})$`),
    what: `one of ${tenantStates.join(', ')}`,
  }),
  cluster: plain('cluster', sql`c.name`, { named: true }),
  created_at: plain('created_at', createdAt, {
    form: /^\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d)?)?)?)?)?$/,
    what: "a moment in UTC as '2026-11-25' or '2026-11-25T09:30:00'",
  }),
};

/** Versions compare in the order of the lane, not as text: '9' comes before '10'. */
function versionField(lane: string): Field {
  const text = sql`(d.lanes -> ${lane}::text ->> 'version')`;
  return {
    name: 'version',
    text,
    key: sql`version_order(${text})`,
    ordered: (value) => sql`version_order(${value}::text)`,
    form: /^\d{1,20}$/,
    what: "a version, the digits that a file's name begins with,",
  };
}

function fieldOf(token: Token | undefined, lane: string): Field | undefined {
  if (token?.kind !== 'word') return undefined;
  const name = token.text.toLowerCase();
  if (name === 'version') return versionField(lane);
  const label = /^label\.([\w./-]{1,63})$/i.exec(token.text)?.[1];
  if (label !== undefined) return plain(`label.${label}`, sql`(t.labels ->> ${label}::text)`, { label });
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function tokensOf(filter: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /'((?:[^']|'')*)'|([A-Za-z_][\w./-]*|[\d.]+)|(<>|!=|<=|>=|[=<>(),])/y;
  const blank = /\s*/y;
  for (let at = 0; ; ) {
    blank.lastIndex = at;
    at += blank.exec(filter)?.[0].length ?? 0;
    if (at === filter.length) return tokens;
    pattern.lastIndex = at;
    const match = pattern.exec(filter);
    if (match === null) {
      const what = `The filter cannot be read at character ${at + 1}: ${filter.slice(at, at + 20)}`;
      throw catalogFault('selection_invalid', what);
    }
    const [, text, word, symbol] = match;
    if (text !== undefined) tokens.push({ text: text.replaceAll("''", "'"), kind: 'string', at });
    else if (word !== undefined) tokens.push({ text: word, kind: 'word', at });
    else tokens.push({ text: symbol ?? '', kind: 'symbol', at });
    at = pattern.lastIndex;
  }
}
