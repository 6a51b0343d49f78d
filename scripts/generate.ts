// `npm run generate`: writes every generated file; with --check it compares instead and names what drifted (exit code 1).
import fs from 'node:fs';
import path from 'node:path';
import { generatedFiles } from './generate/files.ts';

const root = path.resolve(import.meta.dirname, '..');
const check = process.argv.includes('--check');
const drifted: string[] = [];

for await (const { file, text } of generatedFiles(root)) {
  const target = path.join(root, file);
  const current = fs.existsSync(target) ? fs.readFileSync(target, 'utf8') : undefined;
  if (current === text) continue;
  drifted.push(file);
  if (!check) fs.writeFileSync(target, text);
}

if (drifted.length === 0) process.stdout.write('generated files are up to date\n');
else if (!check) process.stdout.write(`written: ${drifted.join(', ')}\n`);
else {
  process.stdout.write(`these generated files have drifted; run \`npm run generate\`: ${drifted.join(', ')}\n`);
  process.exitCode = 1;
}
