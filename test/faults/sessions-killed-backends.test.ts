// A backend that dies takes down the request it served and nothing else (CASES.md, V1).
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConnectionLostError, isTransient } from '../../platform/postgres/errors.ts';
import type { Session } from '../../platform/postgres/session.ts';
import type { SessionPool } from '../../platform/postgres/session-pool.ts';
import { createScratchDatabase, type ScratchDatabase, tenantCluster } from '../support/clusters.ts';
import { checkForLeaks } from '../support/leak-check.ts';
import { expectNoUncaughtErrors, sessionFixtures, terminate, untilRunning } from '../support/session-fixtures.ts';
import { waitUntil } from '../support/wait-until.ts';

const times = 100;

describe('a killed backend', () => {
  let scratch: ScratchDatabase;
  afterAll(() => scratch.drop());
  checkForLeaks(() => [scratch.address]);
  const fixtures = sessionFixtures();
  expectNoUncaughtErrors();
  let admin: Session;
  let pool: SessionPool;

  beforeAll(async () => {
    scratch = await createScratchDatabase(tenantCluster('a'));
    admin = await fixtures.open({ ...scratch.address, database: 'postgres' });
    pool = fixtures.pool(scratch.address, { maxTotal: 2, maxPerKey: 2 });
    await pool.use('k', (session) => session.script('CREATE TABLE killed (round int, step int)'));
  });

  async function expectHealthy(): Promise<void> {
    expect(await pool.use('k', async (session) => (await session.query('SELECT 1 AS one')).rows)).toEqual([{ one: 1 }]);
    expect(pool.stats()).toMatchObject({ leased: 0, waiting: 0 });
  }

  function expectLost(error: unknown, phases: string[]): void {
    expect(error).toBeInstanceOf(ConnectionLostError);
    expect(phases).toContain((error as ConnectionLostError).phase);
    expect((error as ConnectionLostError).sqlstate).toBe('57P01');
    expect(isTransient(error)).toBe(true);
  }

  test(`R01 during a statement of a transaction, ${times} times: that request fails, the next succeeds`, async () => {
    for (let round = 0; round < times; round++) {
      const error = await pool
        .transaction('k', async (session) => {
          await session.query('INSERT INTO killed VALUES ($1, 1)', [round]);
          const sleeping = session.query('SELECT pg_sleep(30)');
          sleeping.catch(() => {});
          await untilRunning(admin, session.backendPid, '%pg_sleep(30)%');
          await terminate(admin, session.backendPid);
          await sleeping;
        })
        .catch((thrown: unknown) => thrown);
      expectLost(error, ['query']);
      await expectHealthy();
    }
    expect(await pool.use('k', async (session) => (await session.query('SELECT * FROM killed')).rowCount)).toBe(0);
  });

  test(`R01 during an idle transaction, ${times} times: no statement of it takes effect`, async () => {
    for (let round = 0; round < times; round++) {
      const error = await pool
        .transaction('k', async (session) => {
          await session.query('INSERT INTO killed VALUES ($1, 1)', [round]);
          await terminate(admin, session.backendPid);
          // Every other time at once, between the server's last word and the end of the socket.
          if (round % 2 === 0) await session.closed;
          await session.query('INSERT INTO killed VALUES ($1, 2)', [round]);
        })
        .catch((thrown: unknown) => thrown);
      expectLost(error, ['idle', 'query']);
      await expectHealthy();
    }
    expect(await pool.use('k', async (session) => (await session.query('SELECT * FROM killed')).rowCount)).toBe(0);
  });

  test(`R01 during a plain query, ${times} times: that request fails, the next succeeds`, async () => {
    for (let round = 0; round < times; round++) {
      const error = await pool
        .use('k', async (session) => {
          const sleeping = session.query('SELECT pg_sleep(30)');
          sleeping.catch(() => {});
          await untilRunning(admin, session.backendPid, '%pg_sleep(30)%');
          await terminate(admin, session.backendPid);
          await sleeping;
        })
        .catch((thrown: unknown) => thrown);
      expectLost(error, ['query']);
      await expectHealthy();
    }
  });

  test(`R01 with statements queued behind, ${times} times: they fail as never sent`, async () => {
    for (let round = 0; round < times; round++) {
      await pool.use('k', async (session) => {
        const first = session.query('SELECT pg_sleep(30)');
        const behind = [1, 2, 3].map((step) => session.query('INSERT INTO killed VALUES ($1, $2)', [round, step]));
        const all = Promise.allSettled([first, ...behind]);
        await untilRunning(admin, session.backendPid, '%pg_sleep(30)%');
        await terminate(admin, session.backendPid);
        const errors = (await all).map((settled) => settled.status === 'rejected' && (settled.reason as unknown));
        expectLost(errors[0], ['query']);
        for (const error of errors.slice(1)) expectLost(error, ['idle']);
      });
      await expectHealthy();
    }
    expect(await pool.use('k', async (session) => (await session.query('SELECT * FROM killed')).rowCount)).toBe(0);
  });

  test('R01 of an idle session in the pool: it is gone before somebody could get it', async () => {
    const pid = await pool.use('k', async (session) => session.backendPid);
    await waitUntil(() => pool.stats().idle === pool.stats().open, { what: 'all sessions idle' });
    const openBefore = pool.stats().open;
    await terminate(admin, pid);
    await waitUntil(() => pool.stats().open === openBefore - 1, { what: 'the pool to notice' });
    await expectHealthy();
  });
});
