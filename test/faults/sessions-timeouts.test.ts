// Server timeouts that fire while two requests contend for one session: each transaction is all or nothing (CASES.md, V2).
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConnectionLostError, PostgresError } from '../../platform/postgres/errors.ts';
import type { SessionPool } from '../../platform/postgres/session-pool.ts';
import { createScratchDatabase, type ScratchDatabase, tenantCluster } from '../support/clusters.ts';
import { checkForLeaks } from '../support/leak-check.ts';
import { expectNoUncaughtErrors, sessionFixtures } from '../support/session-fixtures.ts';

const rounds = 10;
const timeoutMs = 60;
const overMs = timeoutMs * 2; // how long the slow request dawdles: the timeout fires meanwhile

describe('server timeouts with two requests contending', () => {
  let scratch: ScratchDatabase;
  afterAll(() => scratch.drop());
  checkForLeaks(() => [scratch.address]);
  const fixtures = sessionFixtures();
  expectNoUncaughtErrors();
  let ledger: SessionPool;

  beforeAll(async () => {
    scratch = await createScratchDatabase(tenantCluster('a'));
    ledger = fixtures.pool(scratch.address);
    await ledger.use('k', (session) => session.script('CREATE TABLE ledger (request text, step int)'));
  });

  const cases = [
    { setting: 'idle_in_transaction_session_timeout', dawdle: 'in the client', sqlstate: '25P03' },
    { setting: 'transaction_timeout', dawdle: 'in the client', sqlstate: '25P04' },
    { setting: 'statement_timeout', dawdle: 'in the server', sqlstate: '57014' },
  ] as const;

  test.each(cases)(
    'R02 $setting: the rows are exactly those of acknowledged requests',
    async ({ setting, dawdle, sqlstate }) => {
      const pool = fixtures.pool(
        scratch.address,
        { maxTotal: 1, maxPerKey: 1 },
        { parameters: { [setting]: String(timeoutMs) } },
      );
      const expected: string[] = [];
      for (let round = 0; round < rounds; round++) {
        const slow = `${setting} slow ${round}`;
        const fast = `${setting} fast ${round}`;
        const slowEnd = pool
          .transaction('k', async (session) => {
            await session.query('INSERT INTO ledger VALUES ($1, 1)', [slow]);
            if (dawdle === 'in the server') await session.query('SELECT pg_sleep($1)', [overMs / 1000]);
            else await sleep(overMs); // the time itself is the fault
            await session.query('INSERT INTO ledger VALUES ($1, 2)', [slow]);
          })
          .then(
            () => 'acknowledged',
            (error: unknown) => error,
          );
        const fastEnd = pool
          .transaction('k', async (session) => {
            await session.query('INSERT INTO ledger VALUES ($1, 1)', [fast]);
            await session.query('INSERT INTO ledger VALUES ($1, 2)', [fast]);
            if (round % 2 === 0) throw new Error('the request thinks better of it');
          })
          .then(
            () => 'acknowledged',
            (error: unknown) => error,
          );
        const failure = await slowEnd;
        expect(failure instanceof ConnectionLostError || failure instanceof PostgresError).toBe(true);
        expect((failure as ConnectionLostError | PostgresError).sqlstate).toBe(sqlstate);
        if (round % 2 === 0) expect(await fastEnd).toMatchObject({ message: 'the request thinks better of it' });
        else {
          expect(await fastEnd).toBe('acknowledged');
          expected.push(`${fast} 1`, `${fast} 2`);
        }
      }
      const rows = await ledger.use('k', (session) =>
        session.query<{ row: string }>(`SELECT request || ' ' || step AS row FROM ledger WHERE request LIKE $1`, [
          `${setting}%`,
        ]),
      );
      expect(rows.rows.map(({ row }) => row).sort()).toEqual(expected.sort());
    },
  );

  test('R02 a failed transaction that is committed says that it was rolled back', async () => {
    const error = await ledger
      .transaction('k', async (session) => {
        await session.query(`INSERT INTO ledger VALUES ('swallowed', 1)`);
        await session.query('SELECT 1/0').catch(() => {});
      })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'PostgresError', sqlstate: '25P02' });
  });
});
