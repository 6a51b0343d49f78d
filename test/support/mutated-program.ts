// Owns a copy of the program with one lock taken out of it, to be run in the place of the real one: what is left must still hold.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { root } from './processes.ts';

export type Mutation = { readonly file: string; readonly from: string; readonly to: string };

/** @throws Error where the text to be changed does not stand there exactly once: then the lock has moved, and so must the test */
export function mutateProgram({ file, from, to }: Mutation): { folder: string; remove(): void } {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-mutated-'));
  for (const room of ['platform', 'catalog', 'tenant-runtime', 'migrations', 'package.json'])
    fs.cpSync(path.join(root, room), path.join(folder, room), { recursive: true });
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  const target = path.join(folder, file);
  const text = fs.readFileSync(target, 'utf8');
  if (text.split(from).length !== 2) throw new Error(`${file} does not hold this exactly once: ${from}`);
  fs.writeFileSync(target, text.replace(from, to));
  return { folder, remove: () => fs.rmSync(folder, { recursive: true, force: true }) };
}
