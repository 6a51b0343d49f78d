// The pool's promises to those who wait: limits, fairness, room made by the least recently used, eviction, no leaks.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Clock } from '../../platform/clock.ts';
import { ConnectionLostError } from '../../platform/postgres/errors.ts';
import { openSession } from '../../platform/postgres/session.ts';
import type { PoolEvent } from '../../platform/postgres/session-pool.ts';
import { createScratchDatabase, type ScratchDatabase, tenantCluster } from '../support/clusters.ts';
import { checkForLeaks } from '../support/leak-check.ts';
import { expectNoUncaughtErrors, sessionFixtures } from '../support/session-fixtures.ts';
import { waitUntil } from '../support/wait-until.ts';

describe('a session pool', () => {
  let scratch: ScratchDatabase;
  afterAll(() => scratch.drop());
  checkForLeaks(() => [scratch.address]);
  const fixtures = sessionFixtures();
  expectNoUncaughtErrors();

  beforeAll(async () => {
    scratch = await createScratchDatabase(tenantCluster('a'));
  });

  const open = () => openSession(scratch.address, { applicationName: 'freehold-test' });

  test('waiters of a key are served in the order of arrival', async () => {
    const pool = fixtures.pool(scratch.address, { maxTotal: 1, maxPerKey: 1 });
    const order: number[] = [];
    const first = await pool.lease('k');
    const rest = [1, 2, 3, 4, 5].map((n) => pool.use('k', async () => order.push(n)));
    first.release();
    await Promise.all(rest);
    expect(order).toEqual([1, 2, 3, 4, 5]);
  });

  test('no session free in time is pool_timeout, and the place is given up', async () => {
    const pool = fixtures.pool(scratch.address, { maxTotal: 1, maxPerKey: 1 });
    const held = await pool.lease('k');
    await expect(pool.lease('k', { waitMs: 50 })).rejects.toMatchObject({ code: 'pool_timeout', kind: 'unavailable' });
    expect(pool.stats()).toMatchObject({ open: 1, leased: 1, waiting: 0 });
    held.release();
    await pool.use('k', async () => {});
  });

  test('never more sessions than the limits, whatever is asked at once', async () => {
    let openNow = 0;
    let openMax = 0;
    const pool = fixtures.pool(scratch.address, {
      maxTotal: 5,
      maxPerKey: 2,
      open: async () => {
        openMax = Math.max(openMax, ++openNow);
        const session = await open();
        void session.closed.then(() => openNow--);
        return session;
      },
    });
    const leasedNow = new Map<string, number>();
    await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        pool.use(
          `key${i % 7}`,
          async (session) => {
            const key = `key${i % 7}`;
            leasedNow.set(key, (leasedNow.get(key) ?? 0) + 1);
            expect(leasedNow.get(key)).toBeLessThanOrEqual(2);
            expect(pool.stats().open).toBeLessThanOrEqual(5);
            await session.query('SELECT 1');
            leasedNow.set(key, (leasedNow.get(key) ?? 0) - 1);
          },
          { waitMs: 20_000 },
        ),
      ),
    );
    expect(openMax).toBeLessThanOrEqual(5);
    expect(pool.stats()).toMatchObject({ leased: 0, waiting: 0 });
  });

  test('a key that asks without pause does not starve another', async () => {
    const pool = fixtures.pool(scratch.address, { maxTotal: 1, maxPerKey: 1 });
    let stop = false;
    let turns = 0;
    const greedy = Promise.all(
      [1, 2, 3].map(async () => {
        while (!stop) {
          await pool.use('greedy', (session) => session.query('SELECT 1'));
          turns++;
        }
      }),
    );
    await waitUntil(() => turns > 10, { what: 'the greedy key to be busy' });
    await pool.use('modest', async (session) => session.query('SELECT 1'), { waitMs: 2_000 });
    stop = true;
    await greedy;
  });

  test('when all are taken, the least recently used idle session gives way', async () => {
    const events: PoolEvent[] = [];
    const pool = fixtures.pool(scratch.address, { maxTotal: 3, maxPerKey: 3, onEvent: (event) => events.push(event) });
    for (const key of ['a', 'b', 'c', 'a']) {
      await pool.use(key, async () => {});
      await waitUntil(() => pool.stats().leased === 0 && pool.stats().idle === pool.stats().open, { what: 'idle' });
    }
    await pool.use('d', async () => {});
    const closed = events.filter((event) => event.type === 'closed');
    expect(closed).toEqual([{ type: 'closed', key: 'b', reason: 'made room' }]);
    expect(pool.stats().open).toBe(3);
  });

  test('a failed open fails its own lease and wakes the next', async () => {
    let attempts = 0;
    const pool = fixtures.pool(scratch.address, {
      maxTotal: 1,
      maxPerKey: 1,
      open: () => (++attempts === 1 ? Promise.reject(new ConnectionLostError('connect', 'no luck')) : open()),
    });
    const [first, second] = await Promise.allSettled([pool.use('k', async () => 1), pool.use('k', async () => 2)]);
    expect(first).toMatchObject({ status: 'rejected', reason: { message: 'no luck' } });
    expect(second).toEqual({ status: 'fulfilled', value: 2 });
  });

  test('a session refused by its handshake is closed and never lent', async () => {
    const pool = fixtures.pool(scratch.address, {
      onOpened: async (session) => {
        await session.query('SELECT 1');
        throw new Error('not the database that was meant');
      },
    });
    await expect(pool.lease('k')).rejects.toThrow('not the database that was meant');
    expect(pool.stats()).toMatchObject({ open: 0, leased: 0, waiting: 0 });
  });

  test('evict: idle ones go now, leased ones on release, and later leases are new', async () => {
    const pool = fixtures.pool(scratch.address, { maxTotal: 3, maxPerKey: 2 });
    const [held, returned] = await Promise.all([pool.lease('k'), pool.lease('k')]);
    const other = await pool.use('other', async (session) => session.id);
    returned.release();
    let evicted = false;
    const eviction = pool.evict('k').then(() => {
      evicted = true;
    });
    await waitUntil(() => pool.stats().byKey('k').open === 1, { what: 'the idle session to close' });
    expect(evicted).toBe(false);
    expect((await held.session.query('SELECT 1')).rowCount).toBe(1); // its borrower may finish
    const fresh = await pool.lease('k');
    expect(fresh.session.id).toBeGreaterThan(returned.session.id);
    held.release();
    await eviction;
    expect(fresh.session.usable).toBe(true);
    fresh.release();
    expect(await pool.use('other', async (session) => session.id)).toBe(other);
  });

  test('evict while a session opens: it is not lent, and its waiter gets a new one', async () => {
    const gate = Promise.withResolvers<void>();
    const opened: number[] = [];
    const pool = fixtures.pool(scratch.address, {
      open: async () => {
        const session = await open();
        opened.push(session.id);
        if (opened.length === 1) await gate.promise;
        return session;
      },
    });
    const lease = pool.lease('k');
    await waitUntil(() => opened.length === 1, { what: 'the first to open' });
    const eviction = pool.evict('k');
    gate.resolve();
    const { session, release } = await lease;
    expect(session.id).toBe(opened[1]);
    await eviction;
    release();
  });

  test('idle and old sessions are closed', async () => {
    let nowMs = 0;
    const clock: Clock = { now: () => new Date(nowMs), monotonicMs: () => nowMs };
    const pool = fixtures.pool(scratch.address, { idleMs: 400, maxLifetimeMs: 1_000, clock });
    const first = await pool.use('k', async (session) => session.id);
    nowMs += 300;
    expect(await pool.use('k', async (session) => session.id)).toBe(first);
    nowMs += 399;
    expect(await pool.use('k', async (session) => session.id)).toBe(first);
    nowMs += 310; // past its life, although it was never idle for long
    expect(await pool.use('k', async (session) => session.id)).not.toBe(first);
    nowMs += 500;
    await waitUntil(() => pool.stats().open === 0, { what: 'the idle session to be closed' });
  });

  test('a second release is harmless, a discarded session is closed', async () => {
    const pool = fixtures.pool(scratch.address, { maxTotal: 1, maxPerKey: 1 });
    const lease = await pool.lease('k');
    lease.release();
    lease.release();
    lease.discard('too late');
    const next = await pool.lease('k');
    expect(pool.stats()).toMatchObject({ open: 1, leased: 1 });
    lease.release();
    expect(pool.stats()).toMatchObject({ open: 1, leased: 1 });
    next.discard('not trusted');
    expect(await pool.use('k', async (session) => session.id)).not.toBe(next.session.id);
  });

  test('close: waiters fail, leases end on release, nothing is left', async () => {
    const pool = fixtures.pool(scratch.address, { maxTotal: 1, maxPerKey: 1 });
    const held = await pool.lease('k');
    const waiting = pool.lease('k').catch((error: unknown) => error);
    const closing = pool.close();
    expect(await waiting).toMatchObject({ code: 'pool_closed' });
    await expect(pool.lease('k')).rejects.toMatchObject({ code: 'pool_closed' });
    held.release();
    await closing;
    expect(pool.stats()).toMatchObject({ open: 0, idle: 0, leased: 0, waiting: 0 });
  });
});
