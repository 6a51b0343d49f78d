// Owns reading a lane from its folder: node-pg-migrate's SQL files, checked once, held in memory. What could fail in one
// of ten thousand databases for a reason that stands in the file fails here instead (Fault migration_invalid).
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { catalogFault } from '../../catalog/errors.ts';
import { laneHash, stampOf } from './lane-hash.ts';
import type { Lane, MigrationFile } from './migration-file.ts';
import { transactionProblem } from './sql-statements.ts';

/** Reads synchronously: once, at start. @throws Fault migration_invalid */
export async function readLane(name: string, folder: string): Promise<Lane> {
  const entries = list(name, folder);
  const files = entries.map((entry) => readMigration(name, folder, entry));
  for (const [index, file] of files.entries()) {
    const twin = files[index + 1];
    if (twin !== undefined && stampOf(file.name) === stampOf(twin.name)) {
      throw invalid(
        name,
        `${file.name}.sql and ${twin.name}.sql have the same time stamp; their order would be a matter of luck`,
      );
    }
  }
  const last = files.at(-1);
  if (last === undefined) throw invalid(name, 'the folder holds no migration');
  return { name, files, version: stampOf(last.name), hash: laneHash(files) };
}

const filePattern = /^\d{17}_[a-z0-9][a-z0-9_-]{0,99}\.sql$/;
/** Generated beside the migrations. */
const ignored = new Set(['schema.sql', 'README.md']);

function list(lane: string, folder: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(folder);
  } catch (cause) {
    throw catalogFault('migration_invalid', `The folder of the lane ${lane} cannot be read.`, {
      internal: folder,
      cause,
    });
  }
  // Digits first and of one length, so the order of the text is the order in time.
  return entries.filter((entry) => !entry.startsWith('.') && !ignored.has(entry)).sort();
}

function readMigration(lane: string, folder: string, entry: string): MigrationFile {
  if (/\.[cm]?[jt]s$/.test(entry)) {
    throw invalid(lane, `${entry} is a program; write it as SQL, so that all databases get the same text`);
  }
  if (!filePattern.test(entry)) throw invalid(lane, `${entry} is not named <17 digits>_<lower-case-name>.sql`);
  const content = readFileSync(path.join(folder, entry), 'utf8');
  const up = upPart(content);
  if (up.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, '').trim() === '')
    throw invalid(lane, `${entry} has nothing under "-- Up Migration"`);
  const problem = transactionProblem(up);
  if (problem !== undefined) throw invalid(lane, `${entry}: ${problem}; all pending files run in one transaction`);
  return {
    name: entry.slice(0, -4),
    hash: createHash('sha256').update(content).digest('hex'),
    up: { transaction: true, statements: [up] },
    down: null,
    program: null,
    contractRequires: null,
  };
}

/** As node-pg-migrate cuts it (sqlMigration.js): without the comment, everything is "up". */
function upPart(content: string): string {
  const up = content.search(/^\s*--[\s-]*up\s+migration/im);
  const down = content.search(/^\s*--[\s-]*down\s+migration/im);
  if (up < 0) return down < 0 ? content : content.slice(0, down);
  // Empty lines for what stood before, so that a line number in an error is that of the file.
  const before = content.slice(0, up).replace(/[^\n]/g, '');
  return before + (down > up ? content.slice(up, down) : content.slice(up));
}

function invalid(lane: string, what: string) {
  return catalogFault('migration_invalid', `Lane ${lane}: ${what}.`);
}
