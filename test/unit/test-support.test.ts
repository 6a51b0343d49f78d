// The tools of the tests themselves: a leak check that finds no leak and a wait that never ends prove nothing.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCatalog } from '../support/catalog.ts';
import {
  createScratchDatabase,
  createTestFolder,
  type ScratchDatabase,
  systemCluster,
  tenantCluster,
  waitUntil,
} from '../support/clusters.ts';
import { describeWith } from '../support/components.ts';
import { checkForLeaks, expectNoSessions } from '../support/leak-check.ts';
import { startRedis } from '../support/redis.ts';
import { projectRoot } from '../support/source-files.ts';
import { superuserSql } from '../support/superuser-sql.ts';

let scratch: ScratchDatabase;
checkForLeaks(() => [scratch.address]);
beforeAll(async () => {
  scratch = await createScratchDatabase(tenantCluster('a'));
});
afterAll(() => scratch.drop());

test('the leak check finds a session of ours, and only in the database that it looks at', async () => {
  const client = new pg.Client({ ...scratch.address, application_name: 'freehold-test' });
  await client.connect();
  await expectNoSessions([{ ...scratch.address, database: 'postgres' }]);
  await expect(expectNoSessions([scratch.address])).rejects.toThrow(/sessions left in database scratch_/);
  await client.end();
  await expectNoSessions([scratch.address]);
});

test('catalogs are clones of one migrated template, each its own', async () => {
  const [one, two] = await Promise.all([createCatalog(), createCatalog()]);
  try {
    await superuserSql(one.address, 'CREATE TABLE only_here ()');
    const tables =
      "SELECT count(*)::int AS n FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    const [a] = await superuserSql<{ n: number }>(one.address, tables);
    const [b] = await superuserSql<{ n: number }>(two.address, tables);
    expect(b?.n).toBeGreaterThan(10);
    expect(a?.n).toBe((b?.n ?? 0) + 1);
  } finally {
    await Promise.all([one.drop(), two.drop()]);
  }
});

test('a template given by name is copied', async () => {
  await superuserSql(scratch.address, 'CREATE TABLE copied ()');
  const copy = await createScratchDatabase(tenantCluster('a'), { template: scratch.address.database });
  await superuserSql(copy.address, 'SELECT * FROM copied');
  await copy.drop();
  await expect(superuserSql(copy.address, 'SELECT 1')).rejects.toMatchObject({ code: '3D000' });
  expect(systemCluster().port).not.toBe(tenantCluster('b').port);
});

test('a wait that is not fulfilled says what it waited for and what it saw', async () => {
  const never = waitUntil(() => Promise.reject(new Error('still closed')), { what: 'the door to open', timeoutMs: 50 });
  await expect(never).rejects.toThrow('waited 50 ms for the door to open; last seen: Error: still closed');
});

describeWith('redis-server', 'redis', () => {
  test('starts on a port of its own, is killed, and starts again there', async () => {
    const redis = await startRedis();
    const before = redis.pid;
    await redis.kill();
    await redis.start();
    expect(redis.pid).not.toBe(before);
    await redis.remove();
    await redis.remove(); // harmless
  });
});

test('the last line counts what passed, failed and was skipped, and a missing component is said once', () => {
  const suite = `import { describe, expect, test } from 'vitest';
    import { describeWith } from ${JSON.stringify(path.join(projectRoot, 'test/support/components.ts'))};
    test('good', () => {}); test('bad', () => expect(1).toBe(2)); test.skip('later', () => {});
    describeWith('redis-server', 'needs redis', () => { test('a', () => {}); test('b', () => {}); });`;
  expect(lastLines(suite, {}).slice(-2)).toEqual([
    'skipped: redis-server is not installed; apt-get install redis-server',
    '1 passed, 1 failed, 3 skipped',
  ]);
  expect(lastLines(suite, { CI: 'true' }).at(-1)).toBe('1 passed, 2 failed, 1 skipped');
  expect(lastLines("import './not-there.ts'", {}).at(-1)).toBe('0 passed, 1 failed');
});

/** Runs one suite in a vitest of its own, with a PATH on which nothing is. */
function lastLines(suite: string, env: Record<string, string>): string[] {
  const folder = createTestFolder();
  fs.symlinkSync(path.join(projectRoot, 'node_modules'), path.join(folder, 'node_modules'));
  fs.writeFileSync(path.join(folder, 'a.test.ts'), suite);
  const reporter = path.join(projectRoot, 'test/support/plain-reporter.ts');
  const args = [path.join(projectRoot, 'node_modules/vitest/vitest.mjs'), 'run', '--root', folder];
  const { stdout, stderr } = spawnSync(process.execPath, [...args, '--reporter=default', `--reporter=${reporter}`], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: folder, NO_COLOR: '1', ...env },
  });
  fs.rmSync(folder, { recursive: true, force: true });
  if (stdout === '') throw new Error(stderr);
  return stdout.trimEnd().split('\n');
}
