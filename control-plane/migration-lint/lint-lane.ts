// Owns linting a lane: every file in the light of those before it, with squawk and with rules of our own on PostgreSQL's parser.
// Promises one finding for one cause, in the order of the files and lines.
import type { WrittenFile, WrittenLane, WrittenSql } from '../migration-files/migration-file.ts';
import { parseSql, placeAt, type SqlStatement } from '../migration-files/parse-sql.ts';
import { findInAlterTable } from './find/alter-table.ts';
import { findBoundaries } from './find/boundaries.ts';
import { concerns, findBySquawk, squawkMessages } from './find/by-squawk.ts';
import type { Found, Look, Search } from './find/look.ts';
import { findOnTablesInUse } from './find/tables-in-use.ts';
import type { Finding } from './rule.ts';
import { type RuleId, rules } from './rules.ts';
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
  const findings: Finding[] = [];
  for (const statement of statements) {
    const look = lookAt(statement, statements, context);
    findings.push(...searches.flatMap((search) => search(look)).map((each) => findingOf(sql, statement, each)));
    for (const { rule, ...place } of bySquawk.filter((each) => each.statement === statement)) {
      const names = concerns(rule, statement);
      if (names.length > 0 && names.every(look.isNew)) continue;
      if (rule === 'ban-drop-not-null' && look.isContract) continue;
      findings.push(placed(sql, place, rule, squawkMessages[rule] ?? ''));
    }
    context.schema.note(statement, context.file);
  }
  return findings.sort((a, b) => a.line - b.line || a.column - b.column);
}

/** It undoes what "up" has made: only what reaches beyond the schema is looked for. */
function lintDown(sql: WrittenSql, statements: readonly SqlStatement[], context: Context): Finding[] {
  return statements.flatMap((statement) =>
    findBoundaries(lookAt(statement, statements, context))
      .filter(({ rule }) => rules[rule].alsoDown === true)
      .map((each) => findingOf(sql, statement, each)),
  );
}

function lookAt(statement: SqlStatement, statements: readonly SqlStatement[], { newFrom, ...look }: Context): Look {
  const isNew = (name: string) => (look.schema.madeIn(name) ?? -1) >= newFrom;
  return { ...look, statement, statements, isNew };
}

function findingOf(sql: WrittenSql, statement: SqlStatement, { rule, message, location }: Found): Finding {
  return placed(sql, location === undefined ? statement : placeAt(sql.text, location), rule, message);
}

function placed(
  { entry, generated }: WrittenSql,
  { line, column }: { line: number; column: number },
  rule: RuleId,
  message: string,
): Finding {
  return { file: entry, line, column, generated, rule, ...textsOf(rule), message, waived: null, history: false };
}
