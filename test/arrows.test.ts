// Reads every import of every file and asserts the arrows of ARCHITECTURE.md. A failure names file, line and rule.
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { arrows, connectionOpeners } from './support/arrows.ts';
import { projectRoot, readSource, type SourceFile, sourceFiles } from './support/source-files.ts';

const files = sourceFiles();
type Manifest = { name: string; dependencies: Record<string, string>; devDependencies: Record<string, string> };
const manifest = JSON.parse(fs.readFileSync(path.join(projectRoot, 'package.json'), 'utf8')) as Manifest;
const runtimePackages = Object.keys(manifest.dependencies);
const allPackages = [...runtimePackages, ...Object.keys(manifest.devDependencies)];

/** Not imported by name: programs that are run, types the compiler finds, assets read as files. */
const usedWithoutImport = new Set([
  '@biomejs/biome',
  '@types/node',
  '@types/pg',
  'typescript',
  'swagger-ui-dist',
  'autocannon',
  'squawk-cli',
  // Peers of grafast and graphile-build; graphql itself is taken through grafast, so that there is one copy of it.
  'graphql',
  'pg-sql2',
  'tamedevil',
]);

test('the reader sees imports of every kind, and not what only looks like one', () => {
  const seen = readSource(
    'platform/a/b.ts',
    `import type { A } from './a.ts';
import { type B } from '../c.ts';
export * from 'pg';
// import './no.ts'
const text = \`import './no.ts'\`;
const late = async () => await import('./d.ts');
type T = import('./e.ts').T;
const x = process.env.X;
run();`,
  );
  expect(seen.imports.map((each) => `${each.line} ${each.target ?? each.specifier} ${each.typeOnly}`)).toEqual([
    '1 platform/a/a.ts true',
    '2 platform/c.ts true',
    '3 pg false',
    '6 platform/a/d.ts false',
    '7 platform/a/e.ts true',
  ]);
  expect(seen.envUses).toEqual([8]);
  expect(seen.effects).toEqual([{ line: 9, text: 'run();' }]);
});

/** Each arrow seen to hold and seen to break: a rule that never fires protects nobody. */
const examples: [verdict: 'allowed' | 'broken', from: string, statement: string][] = [
  ['allowed', 'control-plane/main.ts', "import { x } from './api/app.ts';"],
  ['allowed', 'control-plane/api/app.ts', "import { x } from '../operations/start/suspend-tenant.ts';"],
  ['broken', 'control-plane/api/app.ts', "import { x } from '../operations/engine/run-operation.ts';"],
  ['broken', 'control-plane/api/app.ts', "import { x } from '../queue/queue.ts';"],
  ['broken', 'control-plane/api/app.ts', "import { x } from '../postgres/cluster-admin.ts';"],
  ['allowed', 'control-plane/operations/move.ts', "import { x } from '../postgres/cluster-admin.ts';"],
  ['broken', 'control-plane/operations/move.ts', "import type { X } from '../queue/queue.ts';"],
  ['broken', 'control-plane/operations/move.ts', "import { x } from '../api/app.ts';"],
  ['broken', 'control-plane/operations/move.ts', "import { x } from '../reconcilers/stuck-operations.ts';"],
  ['broken', 'control-plane/operations/move.ts', "import { openSession } from '../../platform/postgres/session.ts';"],
  ['allowed', 'control-plane/operations/move.ts', "import type { Session } from '../../platform/postgres/session.ts';"],
  ['broken', 'control-plane/postgres/cluster-admin.ts', "import { x } from '../operations/move.ts';"],
  ['allowed', 'control-plane/cli/tenants.ts', "import { x } from '../client.ts';"],
  ['broken', 'control-plane/cli/tenants.ts', "import { x } from '../operations/start/suspend-tenant.ts';"],
  ['broken', 'control-plane/cli/tenants.ts', "import { x } from '../../catalog/tenants.ts';"],
  ['allowed', 'control-plane/cli/tenants.ts', "import type { X } from '../../catalog/schema.ts';"],
  ['broken', 'control-plane/unheard-of/x.ts', "import { x } from '../postgres/cluster-names.ts';"],
  ['broken', 'control-plane/api/app.ts', "const late = () => import('../../tenant-runtime/app.ts');"],
  ['broken', 'tenant-runtime/app.ts', "import { x } from '../control-plane/client.ts';"],
  ['broken', 'catalog/ids.ts', "export * from '../tenant-runtime/app.ts';"],
  ['broken', 'platform/log.ts', "import type { X } from '../catalog/ids.ts';"],
  ['broken', 'tenant-runtime/app.ts', "import { x } from '../scripts/dev.ts';"],
  ['broken', 'tenant-runtime/app.ts', "import { x } from '../test/support/clusters.ts';"],
];

describe('arrows', () => {
  test.each(examples)('%s: %s %s', (verdict, from, statement) => {
    const [what] = readSource(from, statement).imports;
    if (what?.target === undefined) throw new Error('an import of ours was expected');
    const target = what.target;
    const broken = arrows.filter((arrow) => arrow.from.test(from) && arrow.forbidden(target, what, from));
    expect(broken.length > 0 ? 'broken' : 'allowed').toBe(verdict);
  });

  test.each(arrows)('$rule', ({ rule, from, forbidden }) => {
    const broken = files
      .filter((file) => from.test(file.path))
      .flatMap((file) =>
        file.imports
          .filter((each) => each.target !== undefined && forbidden(each.target, each, file.path))
          .map((each) => `${file.path}:${each.line} imports ${each.target}: ${rule}`),
      );
    expect(broken).toEqual([]);
  });

  test(connectionOpeners.rule, () => {
    const broken = eachPackage(
      (file, name) => connectionOpeners.packages.test(name) && !connectionOpeners.allowed(file),
    );
    expect(broken).toEqual([]);
  });

  test('every relative import names a file that exists, with its .ts', () => {
    const known = new Set(files.map((file) => file.path));
    const broken = files.flatMap((file) =>
      file.imports
        .filter((each) => each.target !== undefined && !known.has(each.target) && !/\.json$/.test(each.target))
        .map((each) => `${file.path}:${each.line} imports ${each.specifier}, which is not there`),
    );
    expect(broken).toEqual([]);
  });

  test('no circle of imports, types included', () => {
    const pair = [
      readSource('platform/b.ts', "import './a.ts';"),
      readSource('platform/a.ts', "import type { B } from './b.ts';"),
    ];
    expect(circles(pair)).toEqual(['platform/a.ts → platform/b.ts → platform/a.ts']);
    expect(circles(files)).toEqual([]);
  });
});

describe('packages', () => {
  test('what runs in production is in dependencies, what only tests and scripts use at least in devDependencies', () => {
    const broken = eachPackage((file, name, typeOnly) => {
      const development = typeOnly || /^(test|scripts)\/|^vitest\.config\.ts$/.test(file);
      if (name === manifest.name && file.startsWith('examples/')) return false; // by "exports", as any product does
      return !(development ? allPackages : runtimePackages).includes(name);
    });
    expect(broken).toEqual([]);
  });

  test('every dependency is imported by somebody', () => {
    const imported = new Set(files.flatMap((file) => file.imports.map((each) => packageOf(each.specifier))));
    expect(allPackages.filter((name) => !imported.has(name) && !usedWithoutImport.has(name))).toEqual([]);
  });
});

describe('what a file may do when it is loaded', () => {
  test('process.env is read in main.ts, configuration loading, the command line and scripts only', () => {
    const allowed =
      /^(scripts|test)\/|(^|\/)main\.ts$|(^|\/)(config|[a-z-]+-config)\.ts$|^control-plane\/cli\/|^vitest\.config\.ts$/;
    const broken = files
      .filter((file) => !allowed.test(file.path))
      .flatMap((file) => file.envUses.map((line) => `${file.path}:${line} reads process.env`));
    expect(broken).toEqual([]);
  });

  test('nothing runs at import, except in programs', () => {
    const programs = /^(scripts|test)\/|(^|\/)main\.ts$|^control-plane\/cli\/freehold\.ts$/;
    const broken = files
      .filter((file) => !programs.test(file.path))
      .flatMap((file) => file.effects.map(({ line, text }) => `${file.path}:${line} runs at import: ${text}`));
    expect(broken).toEqual([]);
  });
});

function eachPackage(isBroken: (file: string, name: string, typeOnly: boolean) => boolean): string[] {
  return files.flatMap((file) =>
    file.imports
      .filter((each) => each.target === undefined && !each.specifier.startsWith('node:'))
      .filter((each) => isBroken(file.path, packageOf(each.specifier), each.typeOnly))
      .map((each) => `${file.path}:${each.line} imports ${each.specifier}`),
  );
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** Depth first; each circle once, beginning with its first file in the alphabet. */
function circles(all: readonly SourceFile[]): string[] {
  const byPath = new Map(all.map((file) => [file.path, file]));
  const done = new Set<string>();
  const found = new Set<string>();
  const visit = (file: string, trail: string[]) => {
    const at = trail.indexOf(file);
    if (at >= 0) {
      const circle = trail.slice(at);
      const first = circle.indexOf([...circle].sort()[0] as string);
      found.add([...circle.slice(first), ...circle.slice(0, first), circle[first]].join(' → '));
    } else if (!done.has(file)) {
      for (const each of byPath.get(file)?.imports ?? [])
        if (each.target !== undefined) visit(each.target, [...trail, file]);
      done.add(file);
    }
  };
  for (const file of byPath.keys()) visit(file, []);
  return [...found];
}
