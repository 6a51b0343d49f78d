// Owns running a builder file that asks the database while it runs, against one database.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type ColumnDefinitions, MigrationBuilder } from 'node-pg-migrate';
import { catalogFault } from '../../catalog/errors.ts';
import { act, loadBuilderFile, scriptOfSteps, silent } from './compile-builder-file.ts';
import type { MigrationFile, MigrationScript } from './migration-file.ts';
import { parseSql } from './parse-sql.ts';

/** What a program's pgm.db is made of. `script` takes several statements and gives no rows. */
export type ProgramDatabase = {
  query(text: string, params: readonly unknown[]): Promise<{ rows: unknown[]; rowCount: number }>;
  script(text: string): Promise<void>;
};

/**
 * What pgm.db is asked runs at once, what the builder gathered is returned for the caller to run after it.
 * @throws Fault migration_invalid where the file is no longer the one that was read
 */
export async function runProgram(file: MigrationFile, database: ProgramDatabase): Promise<MigrationScript> {
  const { path, shorthands } = file.program as NonNullable<MigrationFile['program']>;
  const hash = createHash('sha256')
    .update(await readFile(path, 'utf8'))
    .digest('hex');
  if (hash !== file.hash) {
    throw catalogFault('migration_invalid', `${file.name} was changed on disk while it waited to be run.`);
  }
  const { up } = await loadBuilderFile(path);
  if (typeof up !== 'function') throw new TypeError(`${file.name} exported "up" when it was read`);
  const query = async (asked: string | { text: string; values?: unknown[] }, values: unknown[] = []) => {
    const { text, params } =
      typeof asked === 'string' ? { text: asked, params: values } : { text: asked.text, params: asked.values ?? [] };
    if (params.length > 0 || (await parseSql(text)).length === 1) return database.query(text, params);
    await database.script(text);
    return { rows: [], rowCount: 0 };
  };
  const select = async (...asked: Parameters<typeof query>) => (await query(...asked)).rows;
  // The builder's own type is that of pg's client; these two are all that it calls.
  const builder = new MigrationBuilder({ query, select } as never, shorthands as ColumnDefinitions, false, silent);
  await act(up, builder);
  return scriptOfSteps(builder);
}
