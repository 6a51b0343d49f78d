// A transaction that travels with its first statement, and whose end brings the reset along: as whole as one that is sent in parts.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ConnectionLostError } from '../../platform/postgres/errors.ts';
import type { BeginOptions, Session } from '../../platform/postgres/session.ts';
import type { SessionPool } from '../../platform/postgres/session-pool.ts';
import { createScratchDatabase, type ScratchDatabase, tenantCluster } from '../support/clusters.ts';
import { checkForLeaks } from '../support/leak-check.ts';
import { expectNoUncaughtErrors, sessionFixtures } from '../support/session-fixtures.ts';

const claims = `{"sub":"it's \\\\ \\" me"}`;
const begin: BeginOptions = { withNext: true, settings: { 'request.jwt.claims': claims, 'request.method': 'POST' } };

describe('a transaction in as few messages as it takes', () => {
  let scratch: ScratchDatabase;
  afterAll(() => scratch.drop());
  checkForLeaks(() => [scratch.address]);
  const fixtures = sessionFixtures();
  expectNoUncaughtErrors();
  let pool: SessionPool;

  beforeAll(async () => {
    scratch = await createScratchDatabase(tenantCluster('a'));
    pool = fixtures.pool(scratch.address, { maxTotal: 1, maxPerKey: 1 });
    await use((session) =>
      session.script(`CREATE TABLE kept (a int);
        CREATE TABLE deferred (a int, UNIQUE (a) DEFERRABLE INITIALLY DEFERRED)`),
    );
  });
  beforeEach(() => use((session) => session.script('TRUNCATE kept, deferred')));

  const use = <T>(fn: (session: Session) => Promise<T>): Promise<T> => pool.use('k', fn);
  const rows = (table = 'kept') =>
    use(async (session) => (await session.query(`SELECT a FROM ${table} ORDER BY a`)).rows.map(({ a }) => a));
  const status = () =>
    use(async (session) => {
      const lentAs = session.transactionStatus;
      const { rows } = await session.query<{ claims: string; path: string; pid: number }>(
        `SELECT coalesce(current_setting('request.jwt.claims', true), '') AS claims, current_setting('search_path') AS path,
           pg_backend_pid() AS pid`,
      );
      return { ...rows[0], lentAs };
    });

  test('its first statement sees its settings, and the commit keeps what it did', async () => {
    const seen = await use(async (session) => {
      await session.begin(begin);
      const { rows } = await session.queryRaw(
        `INSERT INTO kept VALUES ($1) RETURNING current_setting('request.jwt.claims'), current_setting('request.method')`,
        ['1'],
      );
      expect(session.transactionStatus).toBe('in-transaction');
      await session.commit({ thenReset: true });
      expect(session.dirty).toBe(false);
      return rows;
    });
    expect(seen).toEqual([[claims, 'POST']]);
    expect(await rows()).toEqual([1]);
    expect(await status()).toMatchObject({ claims: '', lentAs: 'idle' });
  });

  test.each<[string, string]>([
    ['fails', 'INSERT INTO kept VALUES (1/0)'],
    ['cannot be parsed', 'INSERT INTO nowhere VALUES (1)'],
  ])('a first statement that %s leaves nothing, also where its holder commits', async (_, text) => {
    const error = await use(async (session) => {
      await session.begin(begin);
      await expect(session.queryRaw(text)).rejects.toMatchObject({ name: 'PostgresError' });
      await expect(session.queryRaw('INSERT INTO kept VALUES (2)')).rejects.toMatchObject({ sqlstate: '25P02' });
      return session.commit({ thenReset: true }).catch((thrown: unknown) => thrown);
    });
    expect(error).toMatchObject({ sqlstate: '25P02' });
    expect(await rows()).toEqual([]);
    expect(await status()).toMatchObject({ claims: '', lentAs: 'idle' });
  });

  test('where a setting is refused no statement runs', async () => {
    await use(async (session) => {
      await session.begin({ withNext: true, settings: { statement_timeout: 'never' } });
      await expect(session.queryRaw('INSERT INTO kept VALUES (1)')).rejects.toMatchObject({ sqlstate: '22023' });
    });
    expect(await rows()).toEqual([]);
  });

  test('where it cannot be begun, what was to run in it does not run without it', async () => {
    await use(async (session) => {
      await session.begin({ withNext: true, isolation: 'none such' as 'serializable' });
      const [first, second] = await Promise.allSettled([
        session.queryRaw('INSERT INTO kept VALUES (1)'),
        session.queryRaw('INSERT INTO kept VALUES (2)'),
      ]);
      for (const outcome of [first, second]) {
        expect(outcome.status === 'rejected' && outcome.reason).toBeInstanceOf(ConnectionLostError);
      }
    });
    expect(await rows()).toEqual([]);
  });

  test('S02 where it was given up before it was sent, nothing runs without it', async () => {
    await use(async (session) => {
      await session.begin(begin);
      const given = new Error('given up');
      const signal = AbortSignal.abort(given);
      await expect(session.queryRaw('INSERT INTO kept VALUES (1)', [], { signal })).rejects.toBe(given);
      await expect(session.queryRaw('INSERT INTO kept VALUES (2)')).rejects.toBeInstanceOf(ConnectionLostError);
    });
    await use(async (session) => {
      await session.begin({ withNext: true, settings: { statement_timeout: 'never' } });
      await expect(session.query('INSERT INTO kept VALUES (3)')).rejects.toMatchObject({ sqlstate: '22023' });
      await expect(session.query('INSERT INTO kept VALUES (4)')).rejects.toBeInstanceOf(ConnectionLostError);
    });
    expect(await rows()).toEqual([]);
  });

  test('a result that is larger than allowed leaves nothing', async () => {
    await use(async (session) => {
      await session.begin(begin);
      const large = `INSERT INTO kept SELECT n FROM generate_series(1, 3) n RETURNING a, repeat('x', 100000)`;
      await expect(session.queryRaw(large, [], { bytesMax: 1_000 })).rejects.toMatchObject({
        name: 'ResultTooLargeError',
      });
    });
    expect(await rows()).toEqual([]);
  });

  test('what a commit finds out is the error of the commit', async () => {
    await use(async (session) => {
      await session.begin(begin);
      await session.queryRaw('INSERT INTO deferred VALUES (1), (1)');
      await expect(session.commit({ thenReset: true })).rejects.toMatchObject({ sqlstate: '23505' });
    });
    expect(await rows('deferred')).toEqual([]);
    expect(await status()).toMatchObject({ claims: '', lentAs: 'idle' });
  });

  test('S01 a reset that comes with the commit leaves as little as one of its own', async () => {
    const before = await status();
    await use(async (session) => {
      await session.begin(begin);
      await session.queryRaw(
        `SELECT set_config('search_path', 'evil', false), set_config('request.jwt.claims', 'x', false)`,
      );
      await session.commit({ thenReset: true });
    });
    expect(await status()).toEqual(before);
  });

  test('a transaction that was begun and never used is nobody else’s', async () => {
    await use((session) => session.begin(begin));
    await use(async (session) => {
      expect(session.inTransaction).toBe(false);
      await session.queryRaw('INSERT INTO kept VALUES (3)');
      await expect(session.queryRaw(`SELECT current_setting('request.jwt.claims')`)).resolves.toMatchObject({
        rows: [['']],
      });
    });
    await use(async (session) => {
      await session.begin(begin);
      await session.commit({ thenReset: true });
      await session.begin(begin);
      await session.rollback();
      expect(session.dirty).toBe(false);
    });
    expect(await rows()).toEqual([3]);
  });

  test('other ways to ask begin it too, ahead of them', async () => {
    for (const ask of ['query', 'script'] as const) {
      await use(async (session) => {
        await session.begin(begin);
        await session[ask]('INSERT INTO kept VALUES (4)');
        expect(session.transactionStatus).toBe('in-transaction');
      });
    }
    expect(await rows()).toEqual([]);
  });

  test('one text many times at once is prepared once', async () => {
    const text = 'SELECT $1::int AS n';
    await use(async (session) => {
      for (let n = 0; n < 3; n++) await session.queryRaw(text, ['1']);
      const answers = await Promise.all(['1', '2', '3'].map((n) => session.queryRaw(text, [n])));
      expect(answers.map(({ rows }) => rows[0]?.[0])).toEqual(['1', '2', '3']);
      const { rows } = await session.query<{ n: number }>(
        'SELECT count(*)::int AS n FROM pg_prepared_statements WHERE statement = $1',
        [text],
      );
      expect(rows[0]?.n).toBe(1);
    });
  });

  test('values, nulls, empty texts, bytes beyond ASCII and rows over many packets come as they are', async () => {
    await use(async (session) => {
      const wide = await session.queryRaw(
        `SELECT n, NULL, '', 'é→😀', repeat('y', 10000) AS long FROM generate_series(1, 200) n`,
      );
      expect(wide.rows).toHaveLength(200);
      expect(wide.rows[199]).toEqual(['200', null, '', 'é→😀', 'y'.repeat(10_000)]);
      expect(wide).toMatchObject({ command: 'SELECT', rowCount: 200 });
      expect(wide.fields[4]).toEqual({ name: 'long', typeOid: 25 });
      for (const [text, command, rowCount] of [
        ['', '', 0],
        ['INSERT INTO kept VALUES (1), (2)', 'INSERT', 2],
        ['CREATE TABLE made ()', 'CREATE TABLE', 0],
        ['DROP TABLE made', 'DROP TABLE', 0],
      ] as const) {
        expect(await session.queryRaw(text)).toEqual({ command, rowCount, rows: [], fields: [] });
      }
    });
  });
});
