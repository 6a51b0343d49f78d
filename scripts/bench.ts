// `npm run bench -- <name> [options]`: runs scripts/bench/<name>.ts. Every bench prints ratios taken in one interleaved run,
// because the same command varies up to twofold between two minutes on a shared machine.
import fs from 'node:fs';
import path from 'node:path';

const folder = path.join(import.meta.dirname, 'bench');
const names = fs
  .readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => entry.name.slice(0, -3));

const [name, ...args] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  process.stderr.write(`${name === undefined ? 'Name a bench' : `There is no bench '${name}'`}: ${names.join(', ')}\n`);
  process.exit(2);
}
const bench = (await import(path.join(folder, `${name}.ts`))) as { run(args: string[]): Promise<void> };
await bench.run(args);
