// Owns reading a lane from its folder, in any of node-pg-migrate's own formats, checked once and held in memory. What could fail
// in one of ten thousand databases for a reason that stands in the file fails here instead (Fault migration_invalid).
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { ColumnDefinitions } from 'node-pg-migrate';
import { catalogFault } from '../../catalog/errors.ts';
import { compareVersions } from '../../catalog/lane-versions.ts';
import { compileBuilderFile } from './compile-builder-file.ts';
import { compareNames, laneHash, stampOf } from './lane-hash.ts';
import type { Lane, MigrationFile } from './migration-file.ts';
import { readSqlFile } from './read-sql-file.ts';

/** Files in node-pg-migrate's order, names as it writes them into pgmigrations. @throws Fault migration_invalid */
export async function readLane(lane: string, folder: string): Promise<Lane> {
  const sources = sourcesOf(lane, list(lane, folder));
  const files: MigrationFile[] = [];
  let shorthands: ColumnDefinitions = {};
  for (const source of sources) {
    try {
      const { file, shorthands: more } = await read(folder, source, shorthands);
      shorthands = more;
      files.push(file);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw invalid(lane, `${source.entries.join(' and ')}: ${why}`, cause);
    }
  }
  const last = files.at(-1);
  if (last === undefined) throw invalid(lane, 'the folder holds no migration');
  return { name: lane, files, version: stampOf(last.name), hash: laneHash(files) };
}

/** One migration: a file, or a pair of .up.sql and .down.sql. */
type Source = { name: string; entries: string[] };

const entryPattern = /^\d{1,20}[A-Za-z0-9_.-]{0,200}\.(sql|[cm]?[jt]s)$/;
/** Generated beside the migrations, or written for people. */
const ignored = /^\.|^schema\.sql$|\.md$|\.d\.[cm]?ts$/;

function list(lane: string, folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory() && !ignored.test(entry.name)).map((entry) => entry.name);
  } catch (cause) {
    throw catalogFault('migration_invalid', `The folder of the lane ${lane} cannot be read.`, {
      internal: folder,
      cause,
    });
  }
}

function sourcesOf(lane: string, entries: readonly string[]): Source[] {
  const byName = new Map<string, string[]>();
  for (const entry of entries) {
    if (!entryPattern.test(entry)) {
      throw invalid(lane, `${entry} is not named <number>_<name>.sql, .ts or .js, in letters, digits, dot, - and _`);
    }
    const name = entry.replace(/\.(?:(?:up|down)\.sql|[a-z]+)$/, '');
    byName.set(name, [...(byName.get(name) ?? []), entry]);
  }
  const sources = [...byName].map(([name, all]) => ({ name, entries: all.sort().reverse() })); // .up before .down
  sources.sort((a, b) => compareNames(a.name, b.name));
  for (const [index, { name, entries: mine }] of sources.entries()) {
    if (
      mine.length > 1 &&
      !(mine.length === 2 && /\.up\.sql$/.test(mine[0] ?? '') && /\.down\.sql$/.test(mine[1] ?? ''))
    )
      throw invalid(lane, `${mine.join(' and ')} are one migration twice`);
    if (mine.length === 1 && /\.down\.sql$/.test(mine[0] ?? ''))
      throw invalid(lane, `${mine[0]} has no .up.sql beside it`);
    const next = sources[index + 1];
    if (next !== undefined && compareVersions(stampOf(name), stampOf(next.name)) === 0)
      throw invalid(lane, `${name} and ${next.name} have the same time stamp; their order would be a matter of luck`);
  }
  return sources;
}

async function read(folder: string, { name, entries }: Source, shorthands: ColumnDefinitions) {
  const hash = createHash('sha256');
  const texts = entries.map((entry) => readFileSync(path.join(folder, entry), 'utf8'));
  // One file hashes as it stands; of a pair both count, and where the one ends.
  for (const [index, text] of texts.entries()) hash.update(index === 0 ? text : `\0${text}`);
  const [first = '', second] = texts;
  if (/\.sql$/.test(entries[0] ?? '')) {
    const isPair = /\.up\.sql$/.test(entries[0] ?? '');
    const source = isPair ? { up: first, ...(second !== undefined && { down: second }) } : first;
    return { file: { name, hash: hash.digest('hex'), ...(await readSqlFile(source)) }, shorthands };
  }
  const { shorthands: more, ...content } = await compileBuilderFile(path.join(folder, entries[0] ?? ''), shorthands);
  return { file: { name, hash: hash.digest('hex'), ...content }, shorthands: more };
}

function invalid(lane: string, what: string, cause?: unknown) {
  return catalogFault('migration_invalid', `Lane ${lane}: ${what}.`, cause === undefined ? {} : { cause });
}
