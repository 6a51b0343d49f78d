// Whatever a borrower leaves in a session, the next one finds none of it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomPassword, scramVerifier } from '../../platform/postgres/scram.ts';
import type { Session } from '../../platform/postgres/session.ts';
import type { SessionPool } from '../../platform/postgres/session-pool.ts';
import { createScratchDatabase, type ScratchDatabase, tenantCluster } from '../support/clusters.ts';
import { checkForLeaks } from '../support/leak-check.ts';
import { expectNoUncaughtErrors, sessionFixtures } from '../support/session-fixtures.ts';
import { superuserSql } from '../support/superuser-sql.ts';

/** Everything a session can carry, in one row. */
const probe = `
  SELECT current_user::text AS "user", session_user::text AS "sessionUser",
    current_setting('statement_timeout') AS timeout, current_setting('search_path') AS path,
    coalesce(current_setting('app.tenant', true), '') AS custom,
    (SELECT count(*)::int FROM pg_class WHERE relpersistence = 't' AND relnamespace = pg_my_temp_schema()) AS "tempTables",
    (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks,
    (SELECT count(*)::int FROM pg_cursors WHERE is_holdable) AS cursors,
    (SELECT count(*)::int FROM pg_prepared_statements WHERE from_sql) AS prepared,
    (SELECT count(*)::int FROM pg_listening_channels()) AS channels,
    (SELECT count(*)::int FROM leftovers) AS rows`;

const clean = {
  timeout: '7s', // the session's own setting, to which RESET ALL returns
  custom: '',
  tempTables: 0,
  locks: 0,
  cursors: 0,
  prepared: 0,
  channels: 0,
  rows: 0,
};

describe('state left in a session', () => {
  let scratch: ScratchDatabase;
  afterAll(async () => {
    await scratch.drop();
    await superuserSql(tenantCluster('a'), 'DROP ROLE IF EXISTS scratch_other');
  });
  checkForLeaks(() => [scratch.address]);
  const fixtures = sessionFixtures();
  expectNoUncaughtErrors();
  let pool: SessionPool;
  let before: Record<string, unknown>;

  beforeAll(async () => {
    scratch = await createScratchDatabase(tenantCluster('a'));
    pool = fixtures.pool(scratch.address, { maxTotal: 1, maxPerKey: 1 }, { parameters: { statement_timeout: '7s' } });
    await pool.use('k', (session) =>
      session.script('CREATE TABLE leftovers (a int); CREATE SEQUENCE numbers; CREATE ROLE scratch_other'),
    );
    before = await look();
    expect(before).toMatchObject(clean);
  });

  async function look(): Promise<Record<string, unknown>> {
    return pool.use('k', async (session) => (await session.query(probe)).rows[0] as Record<string, unknown>);
  }

  const left: [string, string[], 'reused' | 'closed'][] = [
    ['SET', ['SET statement_timeout = 0', `SET search_path = 'evil'`], 'reused'],
    ['SET of a setting of its own', [`SET app.tenant = 'other'`], 'reused'],
    ['set_config in a SELECT', [`SELECT set_config('statement_timeout', '0', false)`], 'reused'],
    ['SET LOCAL outside a transaction', [`SET LOCAL statement_timeout = 0`], 'reused'],
    ['SET ROLE', ['SET ROLE scratch_other'], 'reused'],
    ['SET SESSION AUTHORIZATION', ['SET SESSION AUTHORIZATION scratch_other'], 'reused'],
    ['a temporary table', ['CREATE TEMP TABLE t AS SELECT 1 AS a'], 'reused'],
    ['a temporary table by DDL', ['CREATE TEMP TABLE t (a int)'], 'closed'],
    ['a session advisory lock', ['SELECT pg_advisory_lock(42)'], 'reused'],
    ['an open transaction', ['BEGIN', 'INSERT INTO leftovers VALUES (1)'], 'reused'],
    ['an open transaction by its other name', ['START TRANSACTION', 'INSERT INTO leftovers VALUES (1)'], 'reused'],
    ['a failed transaction', ['BEGIN', 'INSERT INTO leftovers VALUES (1)', 'SELECT 1/0'], 'reused'],
    ['a savepoint', ['BEGIN', 'SAVEPOINT a', 'INSERT INTO leftovers VALUES (1)'], 'reused'],
    [
      'a cursor that outlives its transaction',
      ['BEGIN', 'DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'COMMIT'],
      'reused',
    ],
    ['LISTEN', ['LISTEN gossip'], 'closed'],
    ['PREPARE', ['PREPARE p AS SELECT 1'], 'closed'],
    ['DEALLOCATE ALL', ['DEALLOCATE ALL'], 'closed'],
    ['DISCARD ALL', ['DISCARD ALL'], 'closed'],
    ['a sequence value', [`SELECT nextval('numbers')`], 'reused'],
  ];

  test.each(left)('S01 %s: the next borrower sees none of it', async (_name, statements, fate) => {
    const pid = await pool.use('k', async (session) => {
      for (const text of statements) await session.queryRaw(text).catch(() => {});
      return session.backendPid;
    });
    expect(await look()).toEqual(before);
    await pool.use('k', async (session) => {
      await expect(session.query('SELECT lastval()')).rejects.toMatchObject({ sqlstate: '55000' });
      expect(session.backendPid === pid ? 'reused' : 'closed').toBe(fate);
    });
  });

  test('S01 a transaction that its borrower breaks out of does not take the next one in', async () => {
    await pool
      .transaction('k', async (session) => {
        await session.queryRaw('COMMIT');
        await session.queryRaw('BEGIN');
        await session.queryRaw('INSERT INTO leftovers VALUES (1)');
        throw new Error('given up');
      })
      .catch(() => {});
    expect(await look()).toEqual(before);
  });

  test('S01 a borrower that keeps the session after release cannot use it', async () => {
    let kept: Session | undefined;
    await pool.use('k', async (session) => {
      kept = session;
    });
    await expect(kept?.query('INSERT INTO leftovers VALUES (1)')).rejects.toMatchObject({ phase: 'idle' });
    expect(await look()).toEqual(before);
  });

  test('S01 a statement still running at release is ended, and its session is not lent again', async () => {
    const { pid, running } = await pool.use('k', async (session) => ({
      pid: session.backendPid,
      running: session.query('SELECT pg_sleep(5)').catch((error: unknown) => error),
    }));
    const releasedMs = performance.now();
    expect(await pool.use('k', async (session) => session.backendPid)).not.toBe(pid);
    expect(performance.now() - releasedMs).toBeLessThan(1_500); // ended at once, not when its reset gives up
    expect(await running).toMatchObject({ name: expect.stringMatching(/Error/) as string });
  });

  test('S01 where locks are revoked from the role: reset says so and closes, or is told and works', async () => {
    const password = randomPassword();
    await pool.use('k', (session) =>
      session.script(`REVOKE EXECUTE ON FUNCTION pg_advisory_unlock_all() FROM PUBLIC;
        ALTER ROLE scratch_other LOGIN PASSWORD '${scramVerifier(password)}'`),
    );
    const address = { ...scratch.address, user: 'scratch_other', password };
    const untold = await fixtures.open(address);
    await expect(untold.reset()).rejects.toMatchObject({ name: 'ConnectionLostError', phase: 'idle' });
    expect(untold.usable).toBe(false);
    const told = await fixtures.open(address, { advisoryLocks: false });
    await told.query(`SELECT set_config('search_path', 'evil', false)`);
    await told.reset();
    expect((await told.query('SHOW search_path')).rows).toEqual([{ search_path: before.path }]);
    await Promise.all([untold.close(), told.close()]);
  });

  test('S03 prepared statements survive the reset: a transaction right after it finds them', async () => {
    for (let round = 0; round < 5; round++) {
      await pool.transaction('k', async (session) => {
        const result = await session.query<{ n: number }>('SELECT $1::int + 1 AS n', [round]);
        expect(result.rows).toEqual([{ n: round + 1 }]);
      });
    }
    const prepared = await pool.use('k', (session) =>
      session.query<{ n: number }>('SELECT count(*)::int AS n FROM pg_prepared_statements WHERE NOT from_sql'),
    );
    expect(prepared.rows[0]?.n).toBeGreaterThanOrEqual(1);
  });

  test('S03 one-off statements are not prepared, and repeated ones up to a limit', async () => {
    const session = await fixtures.open(scratch.address);
    for (let i = 0; i < 300; i++) await session.query(`SELECT ${i}`);
    for (let i = 0; i < 300; i++) for (let twice = 0; twice < 2; twice++) await session.query(`SELECT 1, ${i}`);
    const prepared = await session.query<{ n: number }>('SELECT count(*)::int AS n FROM pg_prepared_statements');
    expect(prepared.rows[0]?.n).toBe(200);
  });
});
