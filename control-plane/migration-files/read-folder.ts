// Owns reading a lane from its folder, in any of node-pg-migrate's own formats, checked once and held in memory. Builder files are
// run here, with the rights of this process.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { catalogFault } from '../../catalog/errors.ts';
import { compileBuilderFile } from './compile-builder-file.ts';
import type { WrittenLane } from './migration-file.ts';
import { isNoMigration, readEntries } from './read-entries.ts';

/** Files in node-pg-migrate's order, names as it writes them into pgmigrations. @throws Fault migration_invalid */
export async function readLane(lane: string, folder: string): Promise<WrittenLane> {
  return await readEntries(lane, entriesOf(lane, folder), (entry, shorthands, directives) =>
    compileBuilderFile(path.join(folder, entry.name), shorthands, directives),
  );
}

function entriesOf(lane: string, folder: string): { name: string; text: string }[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && !isNoMigration(entry.name))
      .map(({ name }) => ({ name, text: readFileSync(path.join(folder, name), 'utf8') }));
  } catch (cause) {
    throw catalogFault('migration_invalid', `The folder of the lane ${lane} cannot be read.`, {
      internal: folder,
      cause,
    });
  }
}
