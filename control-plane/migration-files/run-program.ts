// Owns running a builder file that asks the database while it runs, against one database.
import { type ColumnDefinitions, MigrationBuilder } from 'node-pg-migrate';
import { act, scriptOfSteps, silent } from './compile-builder-file.ts';
import { evaluateProgram } from './evaluate-program.ts';
import type { MigrationFile, MigrationScript } from './migration-file.ts';
import { parseSql } from './parse-sql.ts';

/** What a program's pgm.db is made of. `script` takes several statements and gives no rows. */
export type ProgramDatabase = {
  query(text: string, params: readonly unknown[]): Promise<{ rows: unknown[]; rowCount: number }>;
  script(text: string): Promise<void>;
};

/** What pgm.db is asked runs at once, what the builder gathered is returned for the caller to run after it. */
export async function runProgram(
  { name, program }: MigrationFile,
  direction: 'up' | 'down',
  database: ProgramDatabase,
): Promise<MigrationScript> {
  const { shorthands, ...sources } = program as NonNullable<MigrationFile['program']>;
  const { up, down } = evaluateProgram(sources);
  // Without a way down of its own, the builder turns the way up around.
  const reverse = direction === 'down' && typeof down !== 'function';
  const action = direction === 'down' && !reverse ? down : up;
  if (typeof action !== 'function') throw new TypeError(`${name} exported "${direction}" when it was read`);
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
  if (reverse) builder.enableReverseMode();
  await act(action, builder);
  return scriptOfSteps(builder);
}
