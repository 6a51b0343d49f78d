// Owns where in which file an error happened, as exactly as the server's answer allows: the statement by the count of those that
// had been answered before it, the character by the position. An error keeps its kind; what is known of it is kept beside it.
import { PostgresError } from '../../platform/postgres/errors.ts';
import { parseSql, type SqlStatement } from '../migration-files/parse-sql.ts';
import { fileAt, type MigrationPlan, type PendingFile } from './plan-migration.ts';

/**
 * `line` is that of the file, and absent where the SQL was made by a program; `position` is a character of `statement`. Both
 * are 1-based.
 */
export type ErrorPlace = { lane: string; file: string; line?: number; position?: number; statement?: string };
const places = new WeakMap<object, ErrorPlace>();

/** The first place stays: whoever is nearest knows best. */
export function placeError(error: unknown, place: ErrorPlace): void {
  if (typeof error === 'object' && error !== null && !places.has(error)) places.set(error, place);
}

export function placeOf(error: unknown): ErrorPlace | undefined {
  return typeof error === 'object' && error !== null ? places.get(error) : undefined;
}

/** For a statement that was sent by itself, with as many lines before it as its file has. */
export function placeStatement(
  error: unknown,
  { lane, file, hasLines }: { lane: string; file: string; hasLines: boolean },
  text: string,
): void {
  const lead = text.length - text.trimStart().length;
  const at = positionIn(text, error);
  const place: ErrorPlace = { lane, file, statement: text.trim() };
  if (hasLines) place.line = lineAt(text, at ?? lead);
  if (at !== undefined) place.position = at - lead + 1;
  placeError(error, place);
}

/** For one of the files of a message. Never throws: an error without a place is better than another error. */
export async function placeInMessage(error: unknown, plan: MigrationPlan): Promise<void> {
  const only = plan.files.length === 1 ? plan.files[0] : undefined;
  const at = positionIn(plan.message, error);
  const statement = await failedStatement(error, plan, at);
  const offset = statement?.offset ?? at;
  const inside = offset === undefined ? undefined : fileAt(plan, offset + 1);
  if (inside !== undefined) {
    const { file } = inside;
    const text =
      statement?.text ??
      file.text
        .split('\n')
        .slice(inside.line - 1)
        .join('\n');
    const place: ErrorPlace = { lane: file.lane, file: file.name, statement: text };
    if (file.hasLines) place.line = lineAt(file.text, (at ?? offset ?? 0) - file.offset);
    if (at !== undefined && statement !== undefined) place.position = at - statement.offset + 1;
    return placeError(error, place);
  }
  // The look whether the file has ended its transaction stands behind the file.
  const before = offset === undefined ? undefined : plan.files.findLast((file) => file.offset < offset);
  if (before !== undefined) placeError(error, { lane: before.lane, file: before.name });
  else if (only !== undefined && offset === undefined) placeError(error, wholeFile(only));
}

function wholeFile({ lane, name, text }: PendingFile): ErrorPlace {
  return { lane, file: name, statement: text };
}

async function failedStatement(
  error: unknown,
  { message }: MigrationPlan,
  at: number | undefined,
): Promise<SqlStatement | undefined> {
  if (!(error instanceof PostgresError)) return undefined;
  const statements = await parseSql(message).catch(() => []); // newer than our parser
  if (at !== undefined) return statements.findLast((statement) => statement.offset <= at);
  return error.statementsBefore === undefined ? undefined : statements[error.statementsBefore];
}

/** PostgreSQL counts characters, JavaScript the halves of some of them. */
function positionIn(text: string, error: unknown): number | undefined {
  const position = error instanceof PostgresError ? Number(error.position ?? 0) : 0;
  if (position === 0) return undefined;
  let at = 0;
  for (let seen = 1; seen < position && at < text.length; seen += 1) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  return at;
}

function lineAt(text: string, at: number): number {
  return text.slice(0, at).split('\n').length;
}
