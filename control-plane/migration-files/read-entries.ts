// Owns making a lane of files, wherever they come from: a folder, or a request that brings them. What could fail in one of ten
// thousand databases for a reason that stands in the file fails here instead (Fault migration_invalid).
import { createHash } from 'node:crypto';
import { setImmediate as othersTurn } from 'node:timers/promises';
import type { ColumnDefinitions } from 'node-pg-migrate';
import { catalogFault } from '../../catalog/errors.ts';
import { compareVersions } from '../../catalog/lane-versions.ts';
import { isFault } from '../../platform/errors.ts';
import type { BuilderFile } from './compile-builder-file.ts';
import { type Directives, readDirectives } from './directives.ts';
import { compareNames, laneHash, stampOf } from './lane-hash.ts';
import type { MigrationScript, Waiver, WrittenFile, WrittenLane, WrittenSql } from './migration-file.ts';
import { SqlSyntaxError } from './parse-sql.ts';
import { readSqlFile, sqlOf } from './read-sql-file.ts';

/** A file as it stands. */
export type Entry = { readonly name: string; readonly text: string };
/** What a builder file makes: by running it, or as somebody else has run it. @throws Error that says what is wrong with it */
export type ReadBuilder = (
  entry: Entry,
  shorthands: ColumnDefinitions,
  directives: Directives,
) => Promise<BuilderFile> | BuilderFile;

/** In node-pg-migrate's order, names as it writes them into pgmigrations. @throws Fault migration_invalid */
export async function readEntries(
  lane: string,
  entries: readonly Entry[],
  readBuilder: ReadBuilder,
): Promise<WrittenLane> {
  const files: WrittenFile[] = [];
  let shorthands: ColumnDefinitions = {};
  for (const source of sourcesOf(lane, entries)) {
    await othersTurn(); // parsing 8 MiB takes a second, in which a server has others to answer
    try {
      const { file, shorthands: more } = await read(source, shorthands, readBuilder);
      shorthands = more;
      files.push(file);
    } catch (cause) {
      if (isFault(cause)) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw invalid(lane, `${namesOf(source)}: ${why}`, cause, placeOf(source, cause));
    }
  }
  const last = files.at(-1);
  if (last === undefined) throw invalid(lane, 'the folder holds no migration');
  return { name: lane, files, version: stampOf(last.name), hash: laneHash(files) };
}

/** Generated beside the migrations, or written for people. */
export function isNoMigration(name: string): boolean {
  return /^\.|^schema\.sql$|\.md$|\.d\.[cm]?ts$/.test(name);
}

/** One migration: a file, or a pair of .up.sql and .down.sql. */
type Source = { name: string; entries: Entry[] };

const entryPattern = /^\d{1,20}[A-Za-z0-9_.-]{0,200}\.(sql|[cm]?[jt]s)$/;

function sourcesOf(lane: string, entries: readonly Entry[]): Source[] {
  const byName = new Map<string, Entry[]>();
  for (const entry of entries) {
    if (!entryPattern.test(entry.name)) {
      throw invalid(
        lane,
        `${entry.name} is not named <number>_<name>.sql, .ts or .js, in letters, digits, dot, - and _`,
      );
    }
    const name = entry.name.replace(/\.(?:(?:up|down)\.sql|[a-z]+)$/, '');
    byName.set(name, [...(byName.get(name) ?? []), entry]);
  }
  // .up before .down
  const sources = [...byName].map(([name, all]) => ({ name, entries: all.sort((a, b) => (a.name < b.name ? 1 : -1)) }));
  sources.sort((a, b) => compareNames(a.name, b.name));
  for (const [index, source] of sources.entries()) checkSource(lane, source, sources[index + 1]);
  return sources;
}

function checkSource(lane: string, source: Source, next: Source | undefined): void {
  const [first, second, ...more] = source.entries.map((entry) => entry.name);
  const isPair = /\.up\.sql$/.test(first ?? '') && /\.down\.sql$/.test(second ?? '') && more.length === 0;
  if (second !== undefined && !isPair) throw invalid(lane, `${namesOf(source)} are one migration twice`);
  if (second === undefined && /\.down\.sql$/.test(first ?? ''))
    throw invalid(lane, `${first} has no .up.sql beside it`);
  if (next !== undefined && compareVersions(stampOf(source.name), stampOf(next.name)) === 0) {
    throw invalid(
      lane,
      `${source.name} and ${next.name} have the same time stamp; their order would be a matter of luck`,
    );
  }
}

async function read({ name, entries }: Source, shorthands: ColumnDefinitions, readBuilder: ReadBuilder) {
  const { directives, waivers } = saidIn(entries);
  const { contractRequires } = directives;
  if (contractRequires !== null && compareVersions(contractRequires, stampOf(name)) >= 0)
    throw new Error(`it requires ${contractRequires}, which is not before the file itself`);
  const [first, second] = entries as [Entry, Entry | undefined];
  if (/\.sql$/.test(first.name)) {
    const source = sqlOf(entries);
    const content = await readSqlFile(source, directives);
    const up = { entry: first.name, text: source.up, generated: false };
    const down =
      content.down === null ? null : { entry: (second ?? first).name, text: source.down ?? '', generated: false };
    const hash = fileHash(entries.map((entry) => entry.text));
    return { file: { name, hash, ...content, written: { entries, up, down, waivers } }, shorthands };
  }
  const { shorthands: more, imports, ...content } = await readBuilder(first, shorthands, directives);
  const up = content.program?.up !== true ? generated(first, content.up) : null;
  const down = content.down === null || content.program?.down === true ? null : generated(first, content.down);
  const written = { entries, up, down, waivers, ...(imports !== undefined && { imports }) };
  return { file: { name, hash: builderHash(first.text, imports), ...content, written }, shorthands: more };
}

/** One that imports nothing hashes as it stands. */
export function builderHash(text: string, imports: string | undefined): string {
  return fileHash(imports === undefined ? [text] : [text, imports]);
}

/** One file hashes as it stands; of a pair both count, and where the one ends. */
function fileHash(texts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const [index, text] of texts.entries()) hash.update(index === 0 ? text : `\0${text}`);
  return hash.digest('hex');
}

/** What both halves of a pair say counts for the migration. */
function saidIn(entries: readonly Entry[]): { directives: Directives; waivers: Waiver[] } {
  const all = entries.map(({ name, text }) => ({ name, said: readDirectives(text) }));
  const directives: Directives = {
    noTransaction: all.some(({ said }) => said.noTransaction),
    irreversible: all.some(({ said }) => said.irreversible),
    contractRequires: all.map(({ said }) => said.contractRequires).find((version) => version !== null) ?? null,
    waivers: all.flatMap(({ said }) => said.waivers),
  };
  return {
    directives,
    waivers: all.flatMap(({ name, said }) => said.waivers.map((waiver) => ({ ...waiver, entry: name }))),
  };
}

function generated(entry: Entry, script: MigrationScript): WrittenSql {
  return { entry: entry.name, text: textOfScript(script), generated: true };
}

/** As one text that a person can read. */
export function textOfScript({ transaction, statements }: MigrationScript): string {
  if (transaction) return statements.join('');
  return `${statements.map((statement) => statement.replace(/^\n+/, '')).join(';\n')};\n`;
}

function namesOf({ entries }: Source): string {
  return entries.map((entry) => entry.name).join(' and ');
}

function placeOf({ entries: [first] }: Source, cause: unknown): object {
  const syntax = cause instanceof Error ? cause.cause : undefined;
  return {
    file: first?.name,
    ...(syntax instanceof SqlSyntaxError && { line: syntax.line, column: syntax.column }),
  };
}

function invalid(lane: string, what: string, cause?: unknown, extra: object = {}) {
  return catalogFault('migration_invalid', `Lane ${lane}: ${what}.`, {
    ...(cause !== undefined && { cause }),
    extra: { ...extra },
  });
}
