// Owns `npm run check`: everything about the code that can be said without running the product. Every check runs, every
// failure is listed, one line each and its output below; exit code 1 when any failed.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const sourceLinesMax = 300;
const outputLinesMax = 60;
const forbiddenNames = /^(utils?|helpers?|common|managers?|services?|index)$/;
/** Split, so that this file does not find itself. */
const unfinished = new RegExp(`\\b${'TO'}${'DO'}\\b|\\b${'FIX'}${'ME'}\\b`);
const notSource = new Set(['node_modules', '.git', 'data', 'coverage']);
/** Generated, or applied somewhere and therefore never changed again. */
const lengthIsGiven = /^(test|migrations)\//;

const biomeArgs = [
  'check',
  '--colors=off',
  '--diagnostic-level=error',
  '--reporter=concise',
  '--max-diagnostics=200',
  '.',
];

/** A check returns its complaints, one a line; none means passed. */
type Check = { name: string; run: () => string[] };

const checks: Check[] = [
  {
    name: 'format and lint (biome)',
    run: () => runNode('node_modules/@biomejs/biome/bin/biome', ...biomeArgs),
  },
  { name: 'types (tsc)', run: () => runNode('node_modules/typescript/bin/tsc', '--noEmit', '--pretty', 'false') },
  { name: 'generated files are up to date', run: generatedFiles },
  { name: 'lock file names no host', run: lockNamesNoHost },
  { name: 'lock file installs (npm ci --dry-run)', run: lockInstalls },
  { name: `no source file over ${sourceLinesMax} lines outside test/`, run: tooLong },
  { name: 'no file called util, helper, common, manager, service or index', run: badNames },
  { name: 'nothing is marked as unfinished', run: marks },
];

if (import.meta.main) process.exitCode = runChecks(checks);

function runChecks(list: readonly Check[]): number {
  let failed = 0;
  for (const { name, run } of list) {
    const began = performance.now();
    const complaints = run();
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`${complaints.length === 0 ? 'ok  ' : 'FAIL'}  ${name} (${seconds} s)`);
    for (const line of complaints.slice(0, outputLinesMax)) console.log(`      ${line}`);
    if (complaints.length > outputLinesMax) console.log(`      and ${complaints.length - outputLinesMax} lines more`);
    if (complaints.length > 0) failed += 1;
  }
  console.log(failed === 0 ? `all ${list.length} checks passed` : `${failed} of ${list.length} checks failed`);
  return failed === 0 ? 0 : 1;
}

function generatedFiles(): string[] {
  return fs.existsSync(path.join(root, 'scripts/generate.ts')) ? runNode('scripts/generate.ts', '--check') : [];
}

function lockNamesNoHost(): string[] {
  const lines = fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8').split('\n');
  const bad = lines.flatMap((line, at) =>
    /"resolved":|https?:\/\/[^"]*\.tgz/.test(line) ? [`package-lock.json:${at + 1} ${line.trim()}`] : [],
  );
  return bad.length === 0
    ? []
    : [...bad.slice(0, 5), 'Keep the project’s .npmrc (omit-lockfile-registry-resolved) and make the lock file again.'];
}

/** Under `npm run` npm says where it is; without it the one on the path is taken. */
function lockInstalls(): string[] {
  const npm = process.env.npm_execpath;
  const args = ['ci', '--dry-run', '--ignore-scripts'];
  return npm === undefined ? complaintsOf('npm', args) : runNode(npm, ...args);
}

function tooLong(): string[] {
  return sources(/\.(ts|sql|css|js)$/)
    .filter((file) => !lengthIsGiven.test(file))
    .map((file) => ({ file, lines: read(file).trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > sourceLinesMax)
    .map(({ file, lines }) => `${file} has ${lines} lines; split it by what its parts own`);
}

function badNames(): string[] {
  const isBad = (file: string) =>
    path
      .basename(file)
      .split(/[-._]/)
      .some((word) => forbiddenNames.test(word));
  return sources(/\.(ts|js|sql)$/)
    .filter(isBad)
    .map((file) => `${file}: name it after what it does`);
}

function marks(): string[] {
  return sources(/\.(ts|sql|sh|yaml|yml|css)$/).flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line, at) => (unfinished.test(line) ? [`${file}:${at + 1} ${line.trim()}`] : [])),
  );
}

function runNode(...args: string[]): string[] {
  return complaintsOf(process.execPath, args);
}

function complaintsOf(program: string, args: string[]): string[] {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined },
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return [];
  const lines = `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`
    .split('\n')
    .filter((line) => line.trim() !== '');
  return lines.length > 0 ? lines : [`${program} ended with ${status}`];
}

function sources(wanted: RegExp): string[] {
  const found: string[] = [];
  const enter = (folder: string) => {
    for (const entry of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const place = path.posix.join(folder, entry.name);
      if (entry.isDirectory() && !notSource.has(entry.name)) enter(place);
      else if (entry.isFile() && wanted.test(entry.name)) found.push(place);
    }
  };
  enter('');
  return found.sort();
}

function read(file: string): string {
  return fs.readFileSync(path.join(root, file), 'utf8');
}
