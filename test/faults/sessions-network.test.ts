// What networks do to sessions: every failure is found within its limit, and the pool recovers by itself.
import net from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import { ConnectionLostError } from '../../platform/postgres/errors.ts';
import type { SessionPool } from '../../platform/postgres/session-pool.ts';
import { createScratchDatabase, type ScratchDatabase, tenantCluster } from '../support/clusters.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { checkForLeaks } from '../support/leak-check.ts';
import { expectNoUncaughtErrors, sessionFixtures } from '../support/session-fixtures.ts';

describe('sessions over a bad network', () => {
  let scratch: ScratchDatabase;
  let proxy: FaultProxy;
  afterAll(() => Promise.all([proxy.close(), scratch.drop()]));
  checkForLeaks(() => [scratch.address]);
  let viaProxy: PostgresAddress;
  const fixtures = sessionFixtures();
  expectNoUncaughtErrors();
  let pool: SessionPool;

  beforeAll(async () => {
    scratch = await createScratchDatabase(tenantCluster('a'));
    proxy = await startFaultProxy(scratch.address);
    viaProxy = { ...scratch.address, host: proxy.host, port: proxy.port };
    pool = fixtures.pool(viaProxy, {}, { connectTimeoutMs: 1_000 });
    await pool.use('k', (session) => session.script('CREATE TABLE net (round int, step int)'));
  });
  afterEach(() => proxy.heal());

  const one = () => pool.use('k', async (session) => (await session.query('SELECT 1 AS one')).rowCount);

  test.each([
    ['FIN', () => proxy.cut()],
    ['RST', () => proxy.reset()],
  ])('R03 %s in a transaction, 50 times: nothing of it stays, the next request succeeds', async (_name, cut) => {
    // One session, since the cut takes all: of another idle one nobody can know yet that it is dead.
    const single = fixtures.pool(viaProxy, { maxTotal: 1, maxPerKey: 1 });
    for (let round = 0; round < 50; round++) {
      const error = await single
        .transaction('k', async (session) => {
          await session.query('INSERT INTO net VALUES ($1, 1)', [round]);
          const sleeping = round % 2 === 0 ? session.query('SELECT pg_sleep(5)') : undefined;
          sleeping?.catch(() => {});
          cut();
          await sleeping;
          await session.query('INSERT INTO net VALUES ($1, 2)', [round]);
        })
        .catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ConnectionLostError);
      expect(await single.use('k', async (session) => (await session.query('SELECT 1')).rowCount)).toBe(1);
    }
    await single.close();
    expect(await pool.use('k', async (session) => (await session.query('SELECT * FROM net')).rowCount)).toBe(0);
  });

  test('R03 half-open while a statement runs: it fails within its deadline and a second', async () => {
    const startedMs = performance.now();
    const error = await pool
      .use('k', async (session) => {
        await session.query('SELECT 1');
        proxy.blackhole();
        await session.query('SELECT 2', [], { signal: AbortSignal.timeout(300) });
      })
      .catch((thrown: unknown) => thrown);
    expect(performance.now() - startedMs).toBeLessThan(1_300);
    expect(error).toMatchObject({ name: 'ConnectionLostError', phase: 'query' });
    proxy.heal();
    expect(await one()).toBe(1);
  });

  test('R03 half-open at release: the reset finds out, the borrower does not wait, the pool recovers', async () => {
    const lease = await pool.lease('k');
    await lease.session.query('SELECT 1');
    proxy.blackhole();
    lease.release();
    proxy.heal(); // the reset is swallowed or not; either way the next request is served
    expect(await one()).toBe(1);
  });

  test('R03 a server that accepts and says nothing: connecting ends at its limit', async () => {
    proxy.blackhole();
    const startedMs = performance.now();
    const error = await fixtures.open(viaProxy, { connectTimeoutMs: 300 }).catch((thrown: unknown) => thrown);
    expect(performance.now() - startedMs).toBeLessThan(600);
    expect(error).toMatchObject({ name: 'ConnectionLostError', phase: 'connect' });
  });

  test('R03 the same with TLS asked for', async () => {
    const silent = net.createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = { ...viaProxy, port: (silent.address() as net.AddressInfo).port, tls: 'require' as const };
    const error = await fixtures.open(address, { connectTimeoutMs: 300 }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'ConnectionLostError', phase: 'connect' });
    silent.close();
  });

  test('R03 latency of 5 s: a request with a deadline fails in time, one without succeeds', async () => {
    const patient = await fixtures.open(viaProxy);
    const hurried = await fixtures.open(viaProxy);
    proxy.setLatency(2_500); // each way
    const startedMs = performance.now();
    const late = patient.query('SELECT 1').then(() => performance.now() - startedMs);
    await expect(hurried.query('SELECT 1', [], { signal: AbortSignal.timeout(200) })).rejects.toThrow();
    expect(performance.now() - startedMs).toBeLessThan(1_200);
    expect(await late).toBeGreaterThan(4_900);
  });

  test('R03 connections refused, then served again: no restart needed', async () => {
    proxy.reset();
    proxy.refuse();
    await expect(one()).rejects.toMatchObject({ phase: 'connect' });
    proxy.heal();
    expect(await one()).toBe(1);
  });

  test('R03 cut in the middle of an answer, at every point of it', async () => {
    for (let bytes = 1; bytes < 700; bytes += 23) {
      proxy.cutAfter(bytes);
      const error = await fixtures
        .open(viaProxy)
        .then(
          (session) => session.query(`SELECT repeat('x', 1000)`),
          (thrown: unknown) => thrown,
        )
        .catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ConnectionLostError);
      proxy.heal();
    }
  });

  test('R03 close() does not hang on a half-open connection', async () => {
    const session = await fixtures.open(viaProxy);
    const running = session.query('SELECT pg_sleep(1)').catch((thrown: unknown) => thrown);
    const idle = await fixtures.open(viaProxy);
    proxy.blackhole();
    const startedMs = performance.now();
    await Promise.all([session.close(), idle.close()]);
    expect(performance.now() - startedMs).toBeLessThan(1_700);
    expect(await running).toBeInstanceOf(ConnectionLostError);
  });
});
