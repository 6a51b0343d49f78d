// What people read must be true: links lead somewhere, scripts that are named exist, generated files are named as such.
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');
const pages = fs
  .globSync('**/*.md', { cwd: root, exclude: (name) => name === 'node_modules' || name === 'data' })
  .map((file) => ({ file, text: fs.readFileSync(path.join(root, file), 'utf8') }));

describe('documentation', () => {
  it('has no link to a file that is not there', () => {
    const broken = pages.flatMap(({ file, text }) =>
      [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
        .map((match) => match[1] as string)
        .filter((target) => !fs.existsSync(path.join(root, path.dirname(file), target)))
        .map((target) => `${file}: ${target}`),
    );
    expect(broken).toEqual([]);
  });

  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const unknown = pages.flatMap(({ file, text }) =>
      [...text.matchAll(/npm run (?:-s )?([a-z][a-z-]*)/g)]
        .map((match) => match[1] as string)
        .filter((name) => scripts[name] === undefined)
        .map((name) => `${file}: npm run ${name}`),
    );
    expect(unknown).toEqual([]);
    expect(Object.keys(scripts).length).toBeLessThanOrEqual(10);
  });

  it('names only benches that exist', () => {
    const unknown = pages.flatMap(({ file, text }) =>
      [...text.matchAll(/npm run bench -- ([a-z-]+)/g)]
        .map((match) => match[1] as string)
        .filter((name) => !fs.existsSync(path.join(root, `scripts/bench/${name}.ts`)))
        .map((name) => `${file}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });

  it('holds no path of a machine and no name of a package host', () => {
    const paths = pages
      .filter(({ text }) => /(^|[\s(`"'])\/(root|home|work|Users)\//m.test(text))
      .map(({ file }) => file);
    expect(paths).toEqual([]);
  });
});
