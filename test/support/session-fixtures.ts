// Owns what tests of sessions share: a pool on a scratch database, an administrator beside it, and an ear for errors
// that no promise carries, the kind that ends a process.
import { afterAll, afterEach, beforeEach, expect } from 'vitest';
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import { openSession, type Session, type SessionSettings } from '../../platform/postgres/session.ts';
import { createSessionPool, type SessionPool, type SessionPoolOptions } from '../../platform/postgres/session-pool.ts';
import { waitUntil } from './wait-until.ts';

/** Fails each test of the file in which an error was thrown that nobody could catch (CASES.md, V1). */
export function expectNoUncaughtErrors(): void {
  const heard: unknown[] = [];
  const listen = (error: unknown) => {
    heard.push(error);
  };
  beforeEach(() => {
    heard.length = 0;
    process.on('uncaughtException', listen);
    process.on('unhandledRejection', listen);
  });
  afterEach(async () => {
    await new Promise((resolve) => setImmediate(resolve)); // what was thrown in the last tick is reported in this one
    process.off('uncaughtException', listen);
    process.off('unhandledRejection', listen);
    expect(heard, 'uncaught errors').toEqual([]);
  });
}

export type Fixtures = {
  open(address: PostgresAddress, settings?: Partial<SessionSettings>): Promise<Session>;
  pool(
    address: PostgresAddress,
    options?: Partial<SessionPoolOptions>,
    settings?: Partial<SessionSettings>,
  ): SessionPool;
};

/** What they make is closed when the file ends. */
export function sessionFixtures(): Fixtures {
  const closers: (() => Promise<void>)[] = [];
  afterAll(async () => {
    await Promise.all(closers.map((close) => close()));
  });
  const open = (address: PostgresAddress, settings?: Partial<SessionSettings>) =>
    openSession(address, { applicationName: 'freehold-test', ...settings });
  return {
    async open(address, settings) {
      const session = await open(address, settings);
      closers.push(() => session.close());
      return session;
    },
    pool(address, options, settings) {
      const pool = createSessionPool({
        open: () => open(address, settings),
        maxTotal: 4,
        maxPerKey: 4,
        idleMs: 60_000,
        maxLifetimeMs: 600_000,
        reset: true,
        ...options,
      });
      closers.push(() => pool.close());
      return pool;
    },
  };
}

/** Waits until the backend is running a statement that matches. */
export async function untilRunning(admin: Session, pid: number, pattern: string): Promise<void> {
  await waitUntil(
    async () => {
      const sql = `SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query LIKE $2`;
      return (await admin.query(sql, [pid, pattern])).rowCount === 1;
    },
    { what: `backend ${pid} to run ${pattern}`, intervalMs: 2 },
  );
}

export async function terminate(admin: Session, pid: number): Promise<void> {
  await admin.query('SELECT pg_terminate_backend($1)', [pid]);
}
