// Owns what a program is made of once it left its folder: its source and every file of the folder that it imports, so that a
// rollout runs what was released, whatever a worker's disk holds. Packages are those of the control plane.
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { jiti } from 'node-pg-migrate';

/** Keys are paths relative to the folder of the entry, with /; the entry's is its file name. */
export type ProgramSources = { readonly entry: string; readonly sources: Readonly<Record<string, string>> };

/** @throws Error that says what cannot be taken along */
export function readProgramSources(file: string): ProgramSources {
  const folder = path.dirname(file);
  const entry = path.basename(file);
  const sources: Record<string, string> = {};
  const waiting = [entry];
  let bytes = 0;
  for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
    const text = readFileSync(path.join(folder, key), 'utf8');
    sources[key] = text;
    bytes += text.length;
    if (bytes > bytesMax) throw new Error(`what it imports is more than ${bytesMax} bytes; a release cannot keep that`);
    for (const asked of importsOf(key, text)) {
      const found = resolveIn(key, asked, (candidate) => isFile(path.join(folder, candidate)));
      if (found === undefined) throw new Error(`it imports ${asked}, which is no file beside it`);
      if (sources[found] === undefined && !waiting.includes(found)) waiting.push(found);
    }
  }
  return { entry, sources };
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
function importsOf(key: string, text: string): string[] {
  const calls = transpiled(key, text).matchAll(/\b(?:require|jitiImport)\(\s*(["'])(\.\.?\/[^"']+)\1/g);
  return [...new Set([...calls].map((call) => call[2] as string))];
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}
