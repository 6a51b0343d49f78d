// The runtime with a real PgBouncer in transaction mode before each cluster: what must hold of every single transaction, since
// each may run in another backend, and what happens when the pooler or the route behind it goes. What holds with and without a
// pooler is tested by pooler-cases.test.ts.
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import { newId } from '../../catalog/ids.ts';
import { startResumeTenant } from '../../control-plane/operations/start/start-resume-tenant.ts';
import { startSuspendTenant } from '../../control-plane/operations/start/start-suspend-tenant.ts';
import { connectionShares } from '../../control-plane/reconcilers/connection-shares.ts';
import { describeWith } from '../support/components.ts';
import type { TestPgbouncer } from '../support/pgbouncer.ts';
import {
  call,
  createRuntimeFixture,
  type RunningRuntime,
  type RuntimeFixture,
  type TestTenant,
} from '../support/runtime.ts';
import { expectNoUncaughtErrors } from '../support/session-fixtures.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

describeWith('pgbouncer', 'with PgBouncer between the runtime and the clusters', () => {
  expectNoUncaughtErrors();

  let fixture: RuntimeFixture;
  let runtime: RunningRuntime;
  let tenant: TestTenant;
  let token: string;
  let pooler: TestPgbouncer;

  beforeAll(async () => {
    fixture = await createRuntimeFixture({ pooler: true });
    tenant = await fixture.addTenant();
    token = await fixture.token(tenant.id);
    runtime = await fixture.startRuntime({ FREEHOLD_RUNTIME_ROUTE_REFRESH_MS: '200' });
    const at = fixture.house.clusters.findIndex(({ server }) => server.address.port === tenant.address.port);
    pooler = fixture.poolers[at] as TestPgbouncer;
  }, 60_000);
  afterAll(() => fixture.close());

  const sql = (query: string, params: unknown[] = [], with_ = token) =>
    call(runtime.url, with_, { body: { query, params } });
  const onServer = <R>(query: string, params: unknown[] = []) =>
    superuserSql<R>({ ...tenant.address, database: 'postgres' }, query, params);
  const sessionsThere = async () =>
    (await onServer(`select pid from pg_stat_activity where datname = $1`, [tenant.address.database])).length;
  const readCanary = 'select tenant_uid from canary where note is null';

  test('a request goes by the pooler, in a backend that several clients share', async () => {
    expect((await sql(readCanary)).body.rows).toEqual([{ tenant_uid: tenant.canary }]);
    const other = await fixture.startRuntime();
    const backends = await Promise.all(
      [runtime.url, other.url].map(async (url) => {
        const { body } = await call(url, token, { body: { query: 'select pg_backend_pid() as pid', params: [] } });
        return (body.rows as { pid: number }[])[0]?.pid;
      }),
    );
    expect(backends[0]).toEqual(expect.any(Number));
    const pools = await pooler.console<{ database: string; cl_active: string; sv_idle: string }>('SHOW POOLS');
    const own = pools.find(({ database }) => database === tenant.address.database);
    expect(Number(own?.cl_active)).toBe(2);
    expect(await sessionsThere()).toBeLessThanOrEqual(2);
    await other.close();
  });

  test('N04 N06 each transaction asks which database it is in: one that is no longer the right one is refused at once, though the session stands', async () => {
    expect((await sql(readCanary)).status).toBe(200);
    const opened = runtime.pools.stats().open;
    await superuserSql(tenant.address, `update freehold.identity set tenant_id = '${newId('tenant')}'`);
    const reader = await fixture.token(tenant.id, { scope: 'sql:read' });
    for (const with_ of [token, reader]) {
      const { status, body } = await sql(readCanary, [], with_);
      expect([status, body.code, body.outcome]).toEqual([503, 'tenant_database_unavailable', 'not_done']);
      expect(JSON.stringify(body)).not.toMatch(/canary|division|t_[0-9a-z]{26}|dbs_|127\.0\.0\.1/);
    }
    await superuserSql(tenant.address, `update freehold.identity set tenant_id = '${tenant.id}'`);
    expect((await sql(readCanary)).body.rows).toEqual([{ tenant_uid: tenant.canary }]);
    expect(runtime.pools.stats().open).toBeGreaterThanOrEqual(opened);
  });

  test('S01 S03 what somebody leaves in a backend by ending the transaction himself reaches nobody', async () => {
    const before = (await sql('select pg_backend_pid() as pid')).body.rows;
    const left = [
      `set application_name = 'left'`,
      `set search_path = pg_catalog`,
      `select set_config('app.user', 'left', false), set_config('request.jwt.claims', '{"sub":"left"}', false)`,
      'prepare left_plan as select 1',
      'declare left_cursor cursor with hold for select 1',
      'set statement_timeout = 0',
      'set default_transaction_read_only = on',
      `set default_transaction_isolation = 'serializable'`,
      `set client_encoding = 'LATIN1'`,
      `set timezone = 'Asia/Tokyo'`,
      `set datestyle = 'German'`,
    ];
    for (const query of left) {
      const queries = [{ query }, { query: 'commit' }];
      expect((await call(runtime.url, token, { body: { queries } })).body.code, query).toBe('transaction_control');
      const { body } = await sql(
        `select pg_backend_pid() as pid, current_setting('application_name') like 'freehold-runtime rti_%' as name,
        current_setting('search_path') as path, coalesce(current_setting('app.user', true), '') as who,
        current_setting('request.jwt.claims')::json ->> 'sub' as sub, (select count(*)::int from pg_cursors where name <> '') as cursors,
        (select count(*)::int from pg_prepared_statements where from_sql) as plans, current_setting('statement_timeout') as bound,
        current_setting('transaction_read_only') as ro, current_setting('transaction_isolation') as isolation,
        current_setting('client_encoding') as encoding, '2026-01-02 03:04Z'::timestamptz::text as moment`,
        [],
        await fixture.token(tenant.id, { sub: 'Žofie 🎉' }),
      );
      const { pid, ...rest } = (body.rows as Record<string, unknown>[])[0] as Record<string, unknown>;
      expect([{ pid }], `${query}: the same backend`).toEqual(before);
      expect(rest, query).toEqual({
        name: true,
        path: 'public, pg_temp',
        who: '',
        sub: 'Žofie 🎉',
        cursors: 0,
        plans: 0,
        bound: '17s',
        ro: 'off',
        isolation: 'read committed',
        encoding: 'UTF8',
        moment: '2026-01-02 03:04:00+00',
      });
    }
    await sql('listen left_channel');
    expect((await sql('select count(*)::int as n from pg_listening_channels()')).body.rows).toEqual([{ n: 0 }]);
  });

  test('a batch has the isolation it asked for, and a reader writes nothing', async () => {
    const settings = {
      query: `select current_setting('transaction_isolation') as i, current_setting('transaction_read_only') as r, current_setting('transaction_deferrable') as d`,
    };
    const headers = {
      'Neon-Batch-Isolation-Level': 'Serializable',
      'Neon-Batch-Read-Only': 'true',
      'Neon-Batch-Deferrable': 'true',
    };
    const { body } = await call(runtime.url, token, { body: { queries: [settings] }, headers });
    expect(body).toMatchObject({ results: [{ rows: [{ i: 'serializable', r: 'on', d: 'on' }] }] });
    const reader = await fixture.token(tenant.id, { scope: 'sql:read' });
    const queries = [{ query: 'set transaction read write' }, { query: `insert into canary values ('x')` }];
    expect((await call(runtime.url, reader, { body: { queries } })).body.code).toBe('25001');
  });

  test('J11 P19 a suspended tenant gets no answer and has no session, though the pooler would connect again; it comes back', async () => {
    const own = await fixture.addTenant();
    const address = { ...own.address, database: 'postgres' };
    const ownToken = await fixture.token(own.id);
    expect((await sql(readCanary, [], ownToken)).status).toBe(200);
    const { catalog, run } = fixture.house;
    const suspension = await startSuspendTenant(catalog.db, own.id, systemCaller('test'));
    const refused = await waitUntil(
      async () => {
        const { status, body } = await sql(readCanary, [], ownToken);
        return status === 403 && body;
      },
      { what: 'the refusal' },
    );
    expect(refused).toMatchObject({ code: 'tenant_not_served' });
    expect((await run(suspension.operation.id)).outcome).toBe('succeeded');
    const there = await superuserSql(address, 'select pid from pg_stat_activity where datname = $1', [
      own.address.database,
    ]);
    expect(there).toEqual([]);
    const known = await superuserSql(
      { ...address, database: 'freehold_admin' },
      'select * from freehold.pooler_login($1)',
      [`${own.address.database}_app_a`],
    );
    expect(known, 'the pooler is told of nobody in a closed database').toEqual([]);
    const resumption = await startResumeTenant(catalog.db, own.id, systemCaller('test'));
    expect((await run(resumption.operation.id)).outcome).toBe('succeeded');
    const again = await fixture.token(own.id, { ep: 2 });
    await waitUntil(async () => (await sql(readCanary, [], again)).status === 200, {
      what: 'the tenant to be served again',
    });
  });

  test('R03 R04 the pooler is killed under load and comes back: nothing acknowledged is lost, refusals are 503, service is back in 5 s', async () => {
    await onServer(`alter database ${tenant.address.database} set synchronous_commit = on`);
    const acknowledged: string[] = [];
    const statuses = new Map<number, number>();
    let writing = true;
    const writer = async () => {
      while (writing) {
        const id = randomBytes(8).toString('hex');
        const { status } = await sql('insert into canary values ($1, $2)', [id, 'killed']);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 200) acknowledged.push(id);
      }
    };
    const writers = Array.from({ length: 4 }, writer);
    await waitUntil(() => acknowledged.length > 50, { what: 'writes before' });
    await pooler.kill();
    await waitUntil(() => (statuses.get(503) ?? 0) > 0, { what: 'a refusal' });
    await pooler.start();
    const upMs = performance.now();
    const before = acknowledged.length;
    await waitUntil(() => acknowledged.length > before + 20, { what: 'writes after' });
    expect(performance.now() - upMs).toBeLessThan(5_000);
    writing = false;
    await Promise.all(writers);
    expect([...statuses.keys()].sort()).toEqual([200, 503]);
    const stored = await superuserSql<{ tenant_uid: string }>(
      tenant.address,
      `select tenant_uid from canary where note = 'killed'`,
    );
    const kept = new Set(stored.map((row) => row.tenant_uid));
    expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
  }, 60_000);

  test('R01 backends killed behind the pooler: only the requests at work fail, and they say what is known of them', async () => {
    const kill = () =>
      onServer(`select pg_terminate_backend(pid) from pg_stat_activity where datname = $1`, [tenant.address.database]);
    await kill();
    for (let n = 0; n < 20; n++) {
      const sleeping = sql('select pg_sleep(20)');
      await waitUntil(
        async () =>
          (
            await onServer(
              `select 1 from pg_stat_activity where datname = $1 and query like '%pg_sleep(20)%' and state = 'active'`,
              [tenant.address.database],
            )
          ).length > 0,
        { what: 'it to run', intervalMs: 5 },
      );
      await kill();
      expect(await sleeping).toMatchObject({
        status: 503,
        body: { code: 'tenant_database_unavailable', outcome: 'unknown' },
      });
      expect((await sql(readCanary)).status).toBe(200);
    }
  });

  test('the pooler of a cluster is taken away and set again while requests are under way: none of them fails', async () => {
    const { db } = fixture.house.catalog;
    const viaPooler = async () => {
      const { body } = await sql('select inet_client_port() as port');
      const [row] = body.rows as { port: number }[];
      const servers = await pooler.console<{ local_port: string }>('SHOW SERVERS');
      return servers.some(({ local_port }) => Number(local_port) === row?.port);
    };
    expect(await viaPooler()).toBe(true);
    const statuses = new Set<number>();
    let asking = true;
    const clients = Array.from({ length: 3 }, async () => {
      while (asking) statuses.add((await sql('select pg_sleep(0.002)')).status);
    });
    const set = (pooler_url: string | null) => db.updateTable('clusters').set({ pooler_url }).execute();
    await set(null);
    await waitUntil(async () => !(await viaPooler()), { what: 'requests to go to the server itself' });
    const [one, two] = fixture.house.clusters;
    for (const [n, { id }] of [one, two].entries()) {
      await db
        .updateTable('clusters')
        .set({ pooler_url: fixture.poolers[n]?.url ?? null })
        .where('id', '=', id)
        .execute();
    }
    await waitUntil(viaPooler, { what: 'requests to go by the pooler again' });
    asking = false;
    await Promise.all(clients);
    expect([...statuses]).toEqual([200]);
  });

  test('A08 D01 the login of the pooler learns the verifiers that runtimes need, and may do nothing else', async () => {
    const { database } = tenant.address;
    const asPooler = async (query: string, params: unknown[] = [], into = 'freehold_admin') => {
      const client = new pg.Client({
        ...tenant.address,
        database: into,
        user: 'freehold_pooler',
        password: 'only-in-tests-pooler',
      });
      await client.connect();
      return client.query(query, params).finally(() => client.end());
    };
    const ask = async (login: string) =>
      (await asPooler('select usename, passwd from freehold.pooler_login($1)', [login])).rows;
    for (const login of [`${database}_app_a`, `${database}_app_b`, `${database}_ro`]) {
      expect(await ask(login)).toEqual([
        { usename: login, passwd: expect.stringMatching(/^SCRAM-SHA-256\$/) as string },
      ]);
    }
    for (const login of [
      'postgres',
      'freehold_provisioner',
      'freehold_pooler',
      `${database}_mig`,
      `${database}_own`,
      database,
      `${database}_app_a' or true --`,
      '',
    ]) {
      expect(await ask(login), login).toEqual([]);
    }
    for (const query of [
      'select * from pg_authid',
      'select * from pg_shadow',
      `select freehold.count_sessions('${database}')`,
      'create table public.mine ()',
      'create database mine',
      'select freehold.tenant_sessions()',
    ]) {
      await expect(asPooler(query), query).rejects.toMatchObject({ code: '42501' });
    }
    for (const into of [database, 'postgres'])
      await expect(asPooler('select 1', [], into), into).rejects.toMatchObject({ code: '42501' });
  });

  test('R08 the share of a silent process behind a pooler is freed by time alone: no session there says whose it is', async () => {
    const { catalog, connections, clusters, deps } = fixture.house;
    const holder_id = newId('runtimeInstance');
    await superuserSql(
      catalog.address,
      `insert into connection_shares (cluster_id, holder_id, host, pid, granted, open, needed, kept, most, report, lease_ms, lease_until)
      values ($1, $2, 'gone', 1, 7, 7, 7, 7, 50, 1, 1000, now() - interval '1 hour')`,
      [clusters[0].id, holder_id],
    );
    let nowMs = 0;
    const reconciler = connectionShares({ now: () => new Date(), monotonicMs: () => nowMs });
    const look = async () =>
      (await reconciler.run({ ...deps, clusters: connections.clusters, wakeAgain: async () => {} })).freed;
    for (const minute of [0, 1, 5, 9]) {
      nowMs = minute * 60_000;
      expect(await look(), `minute ${minute}`).toEqual([]);
    }
    nowMs = 10 * 60_000;
    expect(await look()).toEqual([holder_id]);
  });
});
