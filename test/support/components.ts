// Owns suites that need a program npm cannot bring. On a developer's machine without it they are skipped with one visible
// line that says how to get it (plain-reporter.ts prints it again at the end); in CI its absence is a failure.
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'vitest';

const howToGet = {
  'redis-server': 'apt-get install redis-server',
  pgbouncer: 'apt-get install pgbouncer',
} as const;

export type Component = keyof typeof howToGet;

/** The full path of the program, or undefined. */
export function findComponent(name: Component): string | undefined {
  // Debian keeps some of them where only root looks.
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin'];
  return folders.map((folder) => path.join(folder, name)).find((file) => isRunnable(file));
}

/** describe(), where the component is there. */
export function describeWith(name: Component, title: string, suite: () => void): void {
  if (findComponent(name) !== undefined) {
    describe(title, suite);
  } else if (process.env.CI) {
    describe(title, () => {
      test(`${name} is installed`, () => {
        throw new Error(`${name} is not installed, and in CI nothing is skipped; ${howToGet[name]}`);
      });
    });
  } else {
    describe.skip(`${title} (skipped: ${name} is not installed; ${howToGet[name]})`, suite);
  }
}

/** describe(), where the machine allows what it needs; `missing` says what it does not allow. In CI too: nobody can install it. */
export function describeUnless(missing: string | undefined, title: string, suite: () => void): void {
  if (missing === undefined) describe(title, suite);
  else describe.skip(`${title} (skipped: ${missing})`, suite);
}

function isRunnable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
