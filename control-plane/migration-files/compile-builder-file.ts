// Owns node-pg-migrate's builder files (.ts, .js and kin): run once per process with its own builder, so that every database gets
// the same text. Loaded by its own loader: whatever its command line takes, this takes.
import { realpathSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type ColumnDefinitions, jiti, MigrationBuilder } from 'node-pg-migrate';
import type { Directives } from './directives.ts';
import { type Action, type BuilderModule, evaluateProgram } from './evaluate-program.ts';
import type { MigrationFile, MigrationScript } from './migration-file.ts';
import { type Imports, type ProgramSources, readImports, readProgramSources } from './program-sources.ts';
import { scriptOf } from './script-of.ts';

export type BuilderFile = Omit<MigrationFile, 'name' | 'hash'> & {
  shorthands: ColumnDefinitions;
  /** The hash over what it imports from beside it, where it does. */
  imports?: string | undefined;
};

/**
 * @param shorthands of the files before it; its own are added for those after it
 * @throws Error that says what is wrong with it
 */
export async function compileBuilderFile(
  path: string,
  shorthands: ColumnDefinitions,
  { irreversible, contractRequires }: Directives,
): Promise<BuilderFile> {
  const imports = readImports(path);
  const module = await loadBuilderFile(path, imports);
  const all = { ...shorthands, ...module.shorthands };
  if (typeof module.up !== 'function') throw new Error('it exports no function "up"');
  const common = { contractRequires, shorthands: all, imports: imports.hash };
  // Each direction by itself: a test that asks on the way up often has nothing to do on the way down.
  const up = await unlessItAsks(compiled(module.up, all, false));
  const down = irreversible ? null : await unlessItAsks(compiledDown(module, all));
  const asks = { up: up === undefined, down: down === undefined };
  const program = asks.up || asks.down ? { ...readProgram(path), shorthands: all, ...asks } : null;
  return { up: up ?? nothing, down: down === undefined ? nothing : down, program, ...common };
}

/** Where it will run it has only what is taken along: that it can be loaded from there is tried here. */
function readProgram(path: string): ProgramSources {
  try {
    const program = readProgramSources(path);
    if (typeof evaluateProgram(program).up === 'function') return program;
    throw new Error('it exports no function "up"');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`it asks the database while it runs, so a release keeps its source, and there: ${why}`, { cause });
  }
}

async function unlessItAsks<T>(compiling: Promise<T>): Promise<T | undefined> {
  try {
    return await compiling;
  } catch (error) {
    if (error instanceof AsksDatabase) return undefined;
    throw error;
  }
}

const nothing: MigrationScript = { transaction: true, statements: [''] };

async function loadBuilderFile(path: string, imports: Imports): Promise<BuilderModule> {
  try {
    const source = await readFile(path, 'utf8');
    // Evaluated, not imported: a file that was edited since must not come out of the loader's memory under its new hash,
    // and neither must what it imports.
    for (const file of imports.files) delete jiti.cache[realpathSync(file)];
    const asked = { filename: path, async: true, forceTranspile: true };
    const module = (await jiti.evalModule(source, asked)) as BuilderModule & { default?: BuilderModule };
    return module.up === undefined && module.default !== undefined ? module.default : module;
  } catch (cause) {
    throw new Error(`it cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** No "down": the builder turns "up" around, where it can. `false`: there is none. */
async function compiledDown(
  { up, down }: BuilderModule,
  shorthands: ColumnDefinitions,
): Promise<MigrationScript | null> {
  if (down === false) return null;
  if (typeof down === 'function') return compiled(down, shorthands, false);
  try {
    return await compiled(up as Exclude<Action, false | undefined>, shorthands, true);
  } catch (error) {
    if (error instanceof AsksDatabase) throw error;
    return null; // "Impossible to automatically infer down migration"
  }
}

async function compiled(
  action: Exclude<Action, false | undefined>,
  shorthands: ColumnDefinitions,
  reverse: boolean,
): Promise<MigrationScript> {
  const builder = new MigrationBuilder(noDatabase, shorthands, false, silent);
  if (reverse) builder.enableReverseMode();
  await act(action, builder);
  return scriptOfSteps(builder);
}

/** Its own rule: two parameters mean a callback. */
export async function act(action: Exclude<Action, false | undefined>, builder: MigrationBuilder): Promise<void> {
  if (action.length === 2) await new Promise<void>((resolve) => action(builder, resolve));
  else await action(builder);
}

/** An "up" that does nothing is fine: teams keep such files in the place of one that was withdrawn. */
export async function scriptOfSteps(builder: MigrationBuilder): Promise<MigrationScript> {
  try {
    const script = await scriptOf(`${builder.getSqlSteps().join('\n')}\n`, !builder.isUsingTransaction());
    return script === undefined ? nothing : { ...script, made: true };
  } catch (cause) {
    throw new Error(`in the SQL it makes, ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/** Its SQL is known only where it runs. */
class AsksDatabase extends Error {}

const asks = (): never => {
  throw new AsksDatabase();
};
const noDatabase = { query: asks, select: asks };
/** The builder's warnings are for a terminal. */
export const silent = { debug() {}, info() {}, warn() {}, error() {} };
