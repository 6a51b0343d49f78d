// Owns what a program is made of once it left its folder: its source and every file of the folder that it imports, so that a
// rollout runs what was released, whatever a worker's disk holds. Packages are those of the control plane. Also owns the hash over
// what a builder file imports: an edited neighbour makes it another file, as an edited line does.
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { jiti } from 'node-pg-migrate';

/** Keys are paths relative to the folder of the entry, with /; the entry's is its file name. */
export type ProgramSources = { readonly entry: string; readonly sources: Readonly<Record<string, string>> };

/** @throws Error that says what cannot be taken along */
export function readProgramSources(file: string): ProgramSources {
  const sources: Record<string, string> = {};
  let bytes = 0;
  for (const [key, text] of reached(file, refuse)) {
    sources[key] = text;
    bytes += text.length;
    if (bytes > bytesMax) throw new Error(`what it imports is more than ${bytesMax} bytes; a release cannot keep that`);
  }
  return { entry: path.basename(file), sources };
}

export type Imports = {
  /** SHA-256; undefined where it imports nothing. */
  readonly hash: string | undefined;
  /** Full paths. */
  readonly files: readonly string[];
};

/** What cannot be found or read as a program is left to the loader, which knows more ways than we do. */
export function readImports(file: string): Imports {
  const [, ...imported] = reached(file, () => {});
  if (imported.length === 0) return { hash: undefined, files: [] };
  const hash = createHash('sha256');
  const byKey = imported.sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [key, text] of byKey) hash.update(`${key}\0${createHash('sha256').update(text).digest('hex')}\n`);
  return { hash: hash.digest('hex'), files: byKey.map(([key]) => path.join(path.dirname(file), key)) };
}

/** The file itself first, then every file that is imported, each once, with its text. */
function* reached(
  file: string,
  missed: (what: string, cause?: unknown) => void,
): Generator<[key: string, text: string]> {
  const folder = path.dirname(file);
  const seen = new Set([path.basename(file)]);
  for (const key of seen) {
    const text = readFileSync(path.join(folder, key), 'utf8');
    yield [key, text];
    for (const asked of importsOf(key, text, missed)) {
      const found = resolveIn(key, asked, (candidate) => isFile(path.join(folder, candidate)));
      if (found === undefined) missed(`it imports ${asked}, which is no file beside it`);
      else seen.add(found);
    }
  }
}

function refuse(what: string, cause?: unknown): never {
  throw cause ?? new Error(what);
}

/** A release is read by every worker that has a part in a rollout. */
const bytesMax = 1_048_576;

/** As TypeScript and the bundlers do it: with an extension or without, .ts where .js is written, an index of a folder. */
export function resolveIn(from: string, asked: string, has: (key: string) => boolean): string | undefined {
  const key = path.posix.normalize(path.posix.join(path.posix.dirname(from), asked));
  const extensions = ['.ts', '.js', '.mts', '.mjs', '.cts', '.cjs', '.json'];
  return [
    key,
    key.replace(/\.([cm]?)js$/, '.$1ts'),
    ...extensions.map((extension) => key + extension),
    ...extensions.map((extension) => `${key}/index${extension}`),
  ].find(has);
}

/** CommonJS, whatever it was written in. @throws Error where it does not parse */
export function transpiled(key: string, source: string): string {
  if (key.endsWith('.json')) return `module.exports = ${source}`;
  return jiti.transform({ source, filename: key, ts: /\.[cm]?ts$/.test(key) });
}

/** Of files beside it: what is written as types alone is gone by then. */
function importsOf(key: string, text: string, missed: (what: string, cause: unknown) => void): string[] {
  try {
    const calls = transpiled(key, text).matchAll(/\b(?:require|jitiImport)\(\s*(["'])(\.\.?\/[^"']+)\1/g);
    return [...new Set([...calls].map((call) => call[2] as string))];
  } catch (cause) {
    missed(`${key} does not parse`, cause);
    return [];
  }
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}
