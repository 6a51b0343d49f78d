// Owns linting a lane: every file in the light of those before it, with squawk and with rules of our own on PostgreSQL's parser.
// Promises one finding for one cause, in the order of the files and lines.
import { setImmediate as othersTurn } from 'node:timers/promises';
import type { WrittenFile, WrittenLane, WrittenSql } from '../migration-files/migration-file.ts';
import { parseSql, type SqlStatement } from '../migration-files/parse-sql.ts';
import { type Place, type Places, placesOf } from '../migration-files/text-places.ts';
import { findInAlterTable } from './find/alter-table.ts';
import { findBoundaries } from './find/boundaries.ts';
import { concerns, findBySquawk, squawkMessages } from './find/by-squawk.ts';
import type { Found, Look, Search } from './find/look.ts';
import { findOnTablesInUse, madeBy } from './find/tables-in-use.ts';
import type { Finding } from './rule.ts';
import type { RuleId } from './rules.ts';
import { SchemaSoFar } from './schema-so-far.ts';
import { applyWaivers, textsOf } from './waivers.ts';

export type LintOptions = {
  /**
   * How many files are released already: their findings are history, and what the others make together is new. Undefined where
   * that is not known: every file counts, and each by itself, as if those before it were in use.
   */
  readonly released?: number | undefined;
  /** Also look into what is released. */
  readonly withHistory?: boolean;
  /** The oldest PostgreSQL that the files will meet. */
  readonly serverMajor?: number;
};

/** The oldest that Freehold takes as a cluster. */
const oldestServerMajor = 16;

/** @throws SquawkUnavailable */
export async function lintLane(lane: WrittenLane, options: LintOptions = {}): Promise<Finding[]> {
  const { released, withHistory = false, serverMajor = oldestServerMajor } = options;
  const schema = new SchemaSoFar();
  const findings: Finding[] = [];
  for (const [index, file] of lane.files.entries()) {
    await othersTurn(); // as when they were read
    const isHistory = index < (released ?? 0);
    const newFrom = released === undefined || isHistory ? index : released;
    const up = file.written.up === null ? [] : await parseSql(file.written.up.text);
    if (isHistory && !withHistory) {
      for (const statement of up) schema.note(statement, index);
      continue;
    }
    const context = { file: index, lane: lane.name, isContract: file.contractRequires !== null, schema, newFrom };
    const found = await lintFile(file, up, context, serverMajor);
    findings.push(...applyWaivers(file, found).map((finding) => ({ ...finding, history: isHistory })));
  }
  return findings;
}

type Context = Pick<Look, 'file' | 'lane' | 'isContract' | 'schema'> & { newFrom: number };

async function lintFile(
  { written }: WrittenFile,
  up: readonly SqlStatement[],
  context: Context,
  serverMajor: number,
): Promise<Finding[]> {
  const found = written.up === null ? [] : await lintUp(written.up, up, context, serverMajor);
  if (written.down === null) return found;
  const down = await parseSql(written.down.text);
  return [...found, ...lintDown(written.down, down, context)];
}

const searches: readonly Search[] = [findBoundaries, findInAlterTable, findOnTablesInUse];

async function lintUp(
  sql: WrittenSql,
  statements: readonly SqlStatement[],
  context: Context,
  serverMajor: number,
): Promise<Finding[]> {
  const bySquawk = await findBySquawk(sql.text, statements, serverMajor);
  const record = recorder(sql);
  for (const look of looksAt(statements, context)) {
    const { statement } = look;
    for (const each of searches.flatMap((search) => search(look))) record.found(statement, each);
    for (const { rule, ...place } of bySquawk.get(statement) ?? []) {
      const names = concerns(rule, statement);
      if (names.length > 0 && names.every(look.isNew)) continue;
      if (rule === 'ban-drop-not-null' && look.isContract) continue;
      record.at(place, rule, squawkMessages[rule] ?? '');
    }
    context.schema.note(statement, context.file);
  }
  return record.findings.sort((a, b) => a.line - b.line || a.column - b.column);
}

/** It undoes what "up" has made: only what reaches beyond the schema is looked for. */
function lintDown(sql: WrittenSql, statements: readonly SqlStatement[], context: Context): Finding[] {
  const record = recorder(sql);
  for (const look of looksAt(statements, context)) {
    for (const each of findBoundaries(look)) record.found(look.statement, each);
  }
  return record.findings;
}

function* looksAt(statements: readonly SqlStatement[], { newFrom, ...look }: Context): Generator<Look> {
  const isNew = (name: string) => (look.schema.madeIn(name) ?? -1) >= newFrom;
  const madeHere = new Map<string, number>();
  for (const [index, statement] of statements.entries()) {
    const made = madeBy(statement);
    if (made !== undefined) madeHere.set(made, index);
  }
  for (const [index, statement] of statements.entries())
    yield { ...look, statement, index, count: statements.length, madeHere, isNew };
}

/** Of one rule in one file: who breaks it so often has read it by then. */
const sameRuleMax = 100;

function recorder(sql: WrittenSql) {
  const { entry: file, generated } = sql;
  const findings: Finding[] = [];
  const counts = new Map<RuleId, number>();
  let places: Places | undefined;
  const at = ({ line, column }: Place, rule: RuleId, message: string) => {
    const count = (counts.get(rule) ?? 0) + 1;
    counts.set(rule, count);
    if (count > sameRuleMax) return;
    findings.push({ file, line, column, generated, rule, ...textsOf(rule), message, waived: null, history: false });
  };
  const found = (statement: SqlStatement, { rule, message, location }: Found) => {
    places ??= placesOf(sql.text);
    at(location === undefined ? statement : places.at(location), rule, message);
  };
  return { findings, at, found };
}
