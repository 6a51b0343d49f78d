// Long proofs, apart from the tests: `npm run soak -- <name>`, minutes to an hour each, one at a time.
import path from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: path.resolve(import.meta.dirname, '../..'),
    include: ['test/soak/*.soak.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    reporters: ['verbose', './test/support/plain-reporter.ts'],
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 7_200_000,
    hookTimeout: 600_000,
    disableConsoleIntercept: true,
  },
});
