// Owns making a module of the sources of a program, in memory and anew each time: two databases share nothing that it keeps.
import { createRequire } from 'node:module';
import { compileFunction } from 'node:vm';
import type { ColumnDefinitions, MigrationBuilder } from 'node-pg-migrate';
import { type ProgramSources, resolveIn, transpiled } from './program-sources.ts';

/** What a builder file exports. */
export type Action = ((pgm: MigrationBuilder, done?: () => void) => unknown) | false | undefined;
export type BuilderModule = { up?: Action; down?: Action; shorthands?: ColumnDefinitions };

/** @throws whatever it throws while it is loaded, and Error for an import that did not come along */
export function evaluateProgram({ entry, sources }: ProgramSources): BuilderModule {
  const made = new Map<string, { exports: unknown }>();
  const load = (key: string): unknown => {
    const known = made.get(key);
    if (known !== undefined) return known.exports; // as far as it has come, in a circle
    const module = { exports: {} };
    made.set(key, module);
    const asked = (id: string) => take(key, id);
    const run = compileFunction(
      transpiled(key, sources[key] as string),
      ['exports', 'require', 'module', '__filename', '__dirname', 'jitiImport'],
      { filename: key },
    );
    run.call(module.exports, module.exports, asked, module, key, '.', async (id: string) => asked(id));
    return module.exports;
  };
  const take = (from: string, id: string): unknown => {
    if (!/^\.\.?(\/|$)/.test(id)) return packages(id);
    const key = resolveIn(from, id, (candidate) => Object.hasOwn(sources, candidate));
    if (key === undefined) throw new Error(`${id} was not imported in plain words, so it did not come along`);
    return load(key);
  };
  const module = load(entry) as BuilderModule & { default?: BuilderModule; __JITI_ERROR__?: { message?: string } };
  if (module.__JITI_ERROR__ !== undefined) throw new Error(module.__JITI_ERROR__.message ?? 'it does not parse');
  return module.up === undefined && module.default !== undefined ? module.default : module;
}

/** Those that the control plane itself has. */
const packages = createRequire(import.meta.url);
