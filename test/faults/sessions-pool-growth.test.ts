// A pool with more keys than slots, whose keys grow late: nobody is forgotten in the line, whoever takes whose slot.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createScratchDatabase, type ScratchDatabase, tenantCluster } from '../support/clusters.ts';
import { sessionFixtures } from '../support/session-fixtures.ts';

const fixtures = sessionFixtures();
let scratch: ScratchDatabase;
beforeAll(async () => {
  scratch = await createScratchDatabase(tenantCluster('a'));
});
afterAll(() => scratch.drop());

test('with many keys and few slots every request gets a session, soon', async () => {
  const pool = fixtures.pool(scratch.address, { maxTotal: 4, maxPerKey: 3, growAfterMs: 5 });
  let left = 1_500;
  let longestMs = 0;
  const client = async () => {
    while (left-- > 0) {
      const key = `key ${Math.floor(Math.random() * 6)}`;
      const startedMs = performance.now();
      await pool.use(key, (session) => session.query('select pg_sleep(random() * 0.01)'), { waitMs: 5_000 });
      longestMs = Math.max(longestMs, performance.now() - startedMs);
      if (Math.random() < 0.02) void pool.evict(key);
    }
  };
  await Promise.all(Array.from({ length: 12 }, client));
  console.log(`1500 requests for 6 keys over 4 slots: the longest took ${Math.round(longestMs)} ms`);
  expect(pool.stats()).toMatchObject({ waiting: 0, leased: 0 });
}, 120_000);

test('a key that has a session waits for it before it opens another', async () => {
  const pool = fixtures.pool(scratch.address, { maxTotal: 4, maxPerKey: 3, growAfterMs: 60_000 });
  await Promise.all(Array.from({ length: 20 }, () => pool.use('one', (session) => session.query('select 1'))));
  expect(pool.stats().open).toBe(1);
});
