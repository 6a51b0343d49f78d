import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    reporters: ['default', './test/support/plain-reporter.ts'],
    // Two workers: the tests share two cores with the PostgreSQL servers they drive.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // One push must not fail for a machine that stood still; the reporter names what needed its second try.
    retry: process.env.CI === undefined ? 0 : 1,
  },
});
