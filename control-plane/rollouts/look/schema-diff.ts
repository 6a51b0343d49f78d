// Owns how two schemas differ, object by object, and the statements that would bring the one found back to the one expected.
// Pure. Only what can lose nothing and lock nobody out counts as repairable; for the rest the statement is for a DBA to read.
import type { SchemaDifference } from '../../../catalog/fleet-schema.ts';

type Objects = Readonly<Record<string, string>>;

/** In the order of their keys. Of an object that is missing or unexpected as a whole, its parts and rights are not told again. */
export function diffSchemas(expected: Objects, found: Objects): SchemaDifference[] {
  const keys = [...new Set([...Object.keys(expected), ...Object.keys(found)])].sort();
  const whole = new Set(
    keys.filter((key) => isWhole(key) && (expected[key] === undefined || found[key] === undefined)),
  );
  const told = keys.filter((key) => !wholesOf(key).some((each) => whole.has(each)));
  return told.flatMap((key) => {
    const [should, is] = [expected[key], found[key]];
    if (should === is) return [];
    const cut = key.indexOf(' ');
    const difference = {
      kind: key.slice(0, cut),
      object: key.slice(cut + 1),
      change: is === undefined ? 'missing' : should === undefined ? 'unexpected' : 'different',
      expected: should ?? null,
      found: is ?? null,
    } as const;
    return [{ ...difference, repairable: isSafe(difference) }];
  });
}

const isWhole = (key: string) => /^(table|view|sequence|function|type|schema) /.test(key);

/** The keys that this one would be a part of. */
function wholesOf(key: string): string[] {
  const [, part] =
    /^(?:column|constraint|trigger|rule|policy|column-grant) (.+)\.(?:[^."\s]+|"[^"]+")(?: TO \S+)?$/.exec(key) ?? [];
  if (part !== undefined) return [`table ${part}`, `view ${part}`, `type ${part}`];
  const [, object] =
    /^(?:owner|grant) (?:TABLE|VIEW|MATERIALIZED VIEW|FOREIGN TABLE|SEQUENCE|ROUTINE|TYPE|SCHEMA) (.+?)(?: TO \S+)?$/.exec(
      key,
    ) ?? [];
  return object === undefined
    ? []
    : ['table', 'view', 'sequence', 'function', 'type', 'schema'].map((kind) => `${kind} ${object}`);
}

type Difference = Omit<SchemaDifference, 'repairable'>;

/** An owner can be given back only by the one who has it, and that one is not us. */
function isSafe(difference: Difference): boolean {
  if (difference.kind === 'grant') return true;
  if (difference.kind !== 'index') return false;
  const definition = difference.expected;
  // A unique index may meet rows that came while it was away, and an index of a partitioned table is made part by part.
  if (definition === null || !/^CREATE INDEX /.test(definition) || / ON ONLY /.test(definition)) return false;
  return difference.change === 'missing' || isInvalid(difference);
}

function isInvalid({ expected, found }: Difference): boolean {
  return expected !== null && found === `${expected} [invalid]`;
}

/** Empty where no single statement says it. `database` takes the place of <database>. */
export function statementsFor(difference: Difference, database: string): string[] {
  return statementsOf(difference).map((text) => text.replaceAll('<database>', database));
}

function statementsOf(difference: Difference): string[] {
  const { kind, object, change, expected, found } = difference;
  if (kind === 'owner' && expected !== null && change === 'different') return [`ALTER ${object} OWNER TO ${expected}`];
  if (kind === 'grant') return grantStatements(object, expected, found);
  if (kind === 'index') {
    const create = expected === null ? [] : [expected.replace(/^(CREATE (UNIQUE )?INDEX)/, '$1 CONCURRENTLY')];
    return change === 'missing' ? create : [`DROP INDEX CONCURRENTLY ${object}`, ...create];
  }
  if (kind === 'extension' && change === 'missing') return [`CREATE ${object}`];
  if (kind === 'column' && change === 'unexpected') {
    const dot = object.lastIndexOf('.');
    return [`ALTER TABLE ${object.slice(0, dot)} DROP COLUMN ${object.slice(dot + 1)}`];
  }
  return [];
}

function grantStatements(object: string, expected: string | null, found: string | null): string[] {
  const to = object.lastIndexOf(' TO ');
  const [what, whom] = [object.slice(0, to), object.slice(to + 4)];
  const [should, is] = [privileges(expected), privileges(found)];
  const extra = is.filter((each) => !should.includes(each)).map(withoutOption);
  // A right that was held with the option to pass it on is taken whole and given again.
  const lacking = should.filter((each) => !is.includes(each) || extra.includes(withoutOption(each)));
  return [
    ...(extra.length === 0 ? [] : [`REVOKE ${extra.join(', ')} ON ${what} FROM ${whom}`]),
    ...lacking.map((each) =>
      each === withoutOption(each)
        ? `GRANT ${each} ON ${what} TO ${whom}`
        : `GRANT ${withoutOption(each)} ON ${what} TO ${whom} WITH GRANT OPTION`,
    ),
  ];
}

function privileges(text: string | null): string[] {
  return text === null || text === '' ? [] : text.split(', ');
}

function withoutOption(privilege: string): string {
  return privilege.replace(/ WITH GRANT OPTION$/, '');
}
