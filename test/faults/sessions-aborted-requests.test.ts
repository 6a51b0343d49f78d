// A client that goes away: its statement is cancelled, its transaction rolled back, its slot free within a second.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Session } from '../../platform/postgres/session.ts';
import type { SessionPool } from '../../platform/postgres/session-pool.ts';
import { createScratchDatabase, type ScratchDatabase, tenantCluster } from '../support/clusters.ts';
import { checkForLeaks } from '../support/leak-check.ts';
import { expectNoUncaughtErrors, sessionFixtures, untilRunning } from '../support/session-fixtures.ts';
import { waitUntil } from '../support/wait-until.ts';

const slotBackMs = 1_000;

describe('an aborted request', () => {
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
    pool = fixtures.pool(scratch.address, { maxTotal: 1, maxPerKey: 1 });
    await pool.use('k', (session) => session.script('CREATE TABLE aborted (a int)'));
  });

  async function isGone(pid: number): Promise<boolean> {
    return (await admin.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [pid])).rowCount === 0;
  }

  test('S02 D17 mid-query: the caller gets its reason, the backend is gone and never lent again, the slot is back within a second', async () => {
    const abort = new AbortController();
    let pid = 0;
    const request = pool
      .use('k', (session) => {
        pid = session.backendPid;
        return session.query('SELECT pg_sleep(30)', [], { signal: abort.signal });
      })
      .catch((error: unknown) => error);
    await waitUntil(() => pid !== 0, { what: 'the lease' });
    await untilRunning(admin, pid, '%pg_sleep(30)%');
    const abortedMs = performance.now();
    abort.abort(new Error('the client went away'));
    expect(await request).toMatchObject({ message: 'the client went away' });
    await pool.use('k', async (session) => {
      expect(performance.now() - abortedMs).toBeLessThan(slotBackMs);
      expect(session.backendPid).not.toBe(pid); // D17: a late cancel must not hit the next statement
    });
    await waitUntil(() => isGone(pid), { what: 'the backend to end' });
  });

  test('S02 mid-transaction: nothing of it stays, the slot is back within a second', async () => {
    const abort = new AbortController();
    let pid = 0;
    const request = pool
      .transaction(
        'k',
        async (session) => {
          pid = session.backendPid;
          await session.query('INSERT INTO aborted VALUES (1)');
          await session.query('SELECT pg_sleep(30)', [], { signal: abort.signal });
        },
        { signal: abort.signal },
      )
      .catch((error: unknown) => error);
    await waitUntil(() => pid !== 0, { what: 'the lease' });
    await untilRunning(admin, pid, '%pg_sleep(30)%');
    const abortedMs = performance.now();
    abort.abort(new Error('the client went away'));
    expect(await request).toMatchObject({ message: 'the client went away' });
    const rows = await pool.use('k', (session) => session.query('SELECT * FROM aborted'));
    expect(performance.now() - abortedMs).toBeLessThan(slotBackMs);
    expect(rows.rowCount).toBe(0);
  });

  test('S02 between two statements of a transaction: rolled back', async () => {
    const abort = new AbortController();
    const request = pool.transaction(
      'k',
      async (session) => {
        await session.query('INSERT INTO aborted VALUES (2)');
        abort.abort(new Error('the client went away'));
      },
      { signal: abort.signal },
    );
    await expect(request).rejects.toThrow('the client went away');
    expect((await pool.use('k', (session) => session.query('SELECT * FROM aborted'))).rowCount).toBe(0);
  });

  test('S02 before the statement is sent: nothing runs and the session stays', async () => {
    await pool.use('k', async (session) => {
      const abort = new AbortController();
      const first = session.query('SELECT pg_sleep(0.05)');
      const second = session.query('INSERT INTO aborted VALUES (3)', [], { signal: abort.signal });
      abort.abort(new Error('never mind'));
      await expect(second).rejects.toThrow('never mind');
      await first;
      expect(session.usable).toBe(true);
      await expect(session.query('SELECT 1', [], { signal: AbortSignal.abort(new Error('too late')) })).rejects.toThrow(
        'too late',
      );
      expect((await session.query('SELECT * FROM aborted')).rowCount).toBe(0);
    });
  });

  test('S02 while waiting for a session: the place in the queue is given up', async () => {
    const lease = await pool.lease('k');
    const abort = new AbortController();
    const waiting = pool.lease('k', { signal: abort.signal });
    expect(pool.stats().waiting).toBe(1);
    abort.abort(new Error('the client went away'));
    await expect(waiting).rejects.toThrow('the client went away');
    expect(pool.stats().waiting).toBe(0);
    lease.release();
    (await pool.lease('k')).release();
  });

  test('S02 a statement that ignores the cancel for long: given up, and the backend ends with its connection', async () => {
    await pool.use('k', (session) =>
      session.script(`CREATE FUNCTION stubborn() RETURNS void LANGUAGE plpgsql AS $$
        DECLARE until timestamptz := clock_timestamp() + interval '1800 ms';
        BEGIN LOOP
          BEGIN EXIT WHEN clock_timestamp() > until; PERFORM pg_sleep(0.01);
          EXCEPTION WHEN query_canceled THEN NULL; END;
        END LOOP; END $$`),
    );
    const session = await fixtures.open(scratch.address);
    const startedMs = performance.now();
    await expect(session.query('SELECT stubborn()', [], { timeoutMs: 100 })).rejects.toMatchObject({ phase: 'query' });
    expect(performance.now() - startedMs).toBeLessThan(1_100);
    expect(session.usable).toBe(false);
    await waitUntil(() => isGone(session.backendPid), { what: 'the backend to end' });
  });
});
