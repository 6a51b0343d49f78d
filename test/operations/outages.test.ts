// Operations while servers die and people contradict each other: P10, P13, P16, P19, P20.
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { namesOf, secretContext } from '../../catalog/names.ts';
import { findOperation } from '../../catalog/operations.ts';
import { findTenant } from '../../catalog/tenants.ts';
import { cancelOperation } from '../../control-plane/operations/start/cancel-operation.ts';
import { retryOperation } from '../../control-plane/operations/start/retry-operation.ts';
import { startDeleteTenant } from '../../control-plane/operations/start/start-delete-tenant.ts';
import { startProvisionTenant } from '../../control-plane/operations/start/start-provision-tenant.ts';
import { startPurgeTenant } from '../../control-plane/operations/start/start-purge-tenant.ts';
import { startResumeTenant } from '../../control-plane/operations/start/start-resume-tenant.ts';
import { startSuspendTenant } from '../../control-plane/operations/start/start-suspend-tenant.ts';
import { startUndeleteTenant } from '../../control-plane/operations/start/start-undelete-tenant.ts';
import { ConnectionLostError, PostgresError } from '../../platform/postgres/errors.ts';
import { openSession, type Session } from '../../platform/postgres/session.ts';
import { aroundCatalogCalls } from '../support/catalog-calls.ts';
import { expectCleanSlate } from '../support/clean-slate.ts';
import { systemCluster } from '../support/clusters.ts';
import { createInstallation, type Installation } from '../support/installation.ts';
import { caller, needTenant } from '../support/operation-scenarios.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

let house: Installation;
beforeAll(async () => {
  house = await createInstallation();
});
afterAll(() => house.close());

const db = () => house.catalog.db;
const provision = async () => {
  const slug = `t-${randomBytes(6).toString('hex')}`;
  return startProvisionTenant(
    db(),
    { slug, name: slug, region: 'here', tier: 'shared', planId: 'team', labels: {} },
    caller,
  );
};

test('P10 the catalog cuts every session at each step: nothing is done twice, nothing is lost', async () => {
  const { operation, tenant } = await provision();
  let cuts = 0;
  const cut = async () => {
    cuts++;
    await superuserSql(
      systemCluster(),
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name = 'freehold-test'`,
      [house.catalog.address.database],
    );
  };
  const seen = new Set<string>();
  for (let run = 0; run < 40; run++) {
    await house
      .run(operation.id, {
        observe: async ({ step, moment }) => {
          if (seen.has(step + moment)) return;
          seen.add(step + moment);
          await cut();
        },
      })
      .catch(() => {});
    await sql`update operations set lease_until = least(lease_until, now()), next_attempt_at = now() where id = ${operation.id} and state in ('pending', 'running', 'undoing')`
      .execute(db())
      .catch(() => {});
    const state = await findOperation(db(), operation.id).then(
      (row) => row?.state,
      () => undefined,
    );
    if (state === 'succeeded' || state === 'failed') break;
  }
  expect(cuts).toBe(14);
  expect(await findTenant(db(), tenant.id)).toMatchObject({ state: 'active' });
  await expectCleanSlate(house);
}, 60_000);

test.each([1, 2])('P10 the answer to commit %s of a run is lost: it is read back, not done again', async (lost) => {
  const { operation, tenant } = await provision();
  let commits = 0;
  const stop = aroundCatalogCalls(house.catalog, async ({ name, session, go }) => {
    const answer = await go();
    if (name !== 'commit' || ++commits !== lost) return answer;
    await session.close();
    throw new ConnectionLostError('query', 'the answer was lost');
  });
  expect(await house.run(operation.id)).toEqual({ outcome: 'lost' });
  stop();
  expect(commits).toBe(lost);
  await sql`update operations set lease_until = least(lease_until, now())`.execute(db());
  expect((await house.run(operation.id)).outcome).toBe(lost === 1 ? 'succeeded' : 'busy');
  expect(await findTenant(db(), tenant.id)).toMatchObject({ state: 'active', generation: 2 });
  await expectCleanSlate(house);
});

test('P13 a cluster that goes away is marked, and the tenant is made on the next', async () => {
  const { operation, tenant } = await provision();
  let down: string | undefined;
  const observe = async ({ step, moment }: { step: string; moment: string }) => {
    if (step !== 'create-database' || moment !== 'before' || down !== undefined) return;
    const facts = (await findOperation(db(), operation.id))?.facts as { clusterId: string };
    down = facts.clusterId;
    await house.clusters.find(({ id }) => id === down)?.server.stop('immediate');
  };
  await house.run(operation.id, { observe });
  await waitUntil(
    async () => {
      await house.run(operation.id);
      return (await findOperation(db(), operation.id))?.state === 'succeeded';
    },
    { what: 'the tenant on the other cluster', timeoutMs: 25_000 },
  );
  const database = await db()
    .selectFrom('databases')
    .selectAll()
    .where('tenant_id', '=', tenant.id)
    .where('state', '=', 'claimed')
    .executeTakeFirstOrThrow();
  expect(database.cluster_id).not.toBe(down);
  expect(
    await db()
      .selectFrom('clusters')
      .select('health')
      .where('id', '=', down as never)
      .executeTakeFirst(),
  ).toEqual({ health: 'unreachable' });
  await house.clusters.find(({ id }) => id === down)?.server.start();
  await db().updateTable('clusters').set({ health: 'healthy' }).execute();
  await house.runAll(); // the given-up database is removed now
  await expectCleanSlate(house);
}, 60_000);

test.each(['53100', '53300', '53200', '57P03'])(
  'P13 SQLSTATE %s of a cluster passes: no half tenant is announced',
  async (sqlstate) => {
    const { operation, tenant } = await provision();
    let failures = 0;
    const observe = async ({ step, moment }: { step: string; moment: string }) => {
      if (step !== 'apply-schema' || moment !== 'before' || failures++ > 1) return;
      expect(await findTenant(db(), tenant.id)).toMatchObject({ state: 'provisioning' });
      throw sqlstate === '57P03'
        ? new ConnectionLostError('connect', 'starting up', { sqlstate })
        : new PostgresError({ message: 'no more', code: sqlstate });
    };
    await waitUntil(async () => (await house.run(operation.id, { observe })).outcome === 'succeeded', {
      what: 'the tenant',
    });
    expect((await findOperation(db(), operation.id))?.attempt).toBe(0);
    await expectCleanSlate(house);
  },
);

test('P16 contradicting wishes: one at a time, and nothing comes back from a purge', async () => {
  const { tenant, operation } = await provision();
  await expect(startDeleteTenant(db(), tenant.id, caller)).rejects.toMatchObject({
    code: 'operation_in_progress',
    extra: { operation_id: operation.id },
  });
  await house.run(operation.id);
  const deletion = await startDeleteTenant(db(), tenant.id, caller);
  await expect(startPurgeTenant(db(), tenant.id, caller)).rejects.toMatchObject({ code: 'operation_in_progress' });
  const slug = {
    slug: tenant.slug,
    name: 'Another',
    region: 'here',
    tier: 'shared' as const,
    planId: 'team',
    labels: {},
  };
  await expect(startProvisionTenant(db(), slug, caller)).rejects.toMatchObject({ code: 'slug_taken' });
  await house.run(deletion.operation.id);
  await expect(startPurgeTenant(db(), tenant.id, caller)).rejects.toMatchObject({ code: 'grace_not_over' });
  const both = await Promise.allSettled([
    startPurgeTenant(db(), tenant.id, caller, { force: true }),
    startUndeleteTenant(db(), tenant.id, caller),
  ]);
  expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  await house.runAll();
  const left = await findTenant(db(), tenant.id);
  if (left?.state === 'active') {
    await house.run((await startDeleteTenant(db(), tenant.id, caller)).operation.id);
    await startPurgeTenant(db(), tenant.id, caller, { force: true });
  }
  await expect(startUndeleteTenant(db(), tenant.id, caller)).rejects.toMatchObject({
    code: expect.stringMatching(/wrong_state|operation_in_progress/),
  });
  await house.runAll();
  await expect(startUndeleteTenant(db(), tenant.id, caller)).rejects.toMatchObject({ code: 'wrong_state' });
  await expect(startProvisionTenant(db(), slug, caller)).rejects.toMatchObject({ code: 'slug_taken' });
  await expectCleanSlate(house);
});

test('a cancelled provisioning is undone and can be retried; what only goes forward is not cancellable', async () => {
  const { tenant, operation } = await provision();
  await house.run(operation.id, {
    observe: async ({ step, moment, direction }) => {
      if (direction === 'run' && step === 'stamp-identity' && moment === 'after')
        await cancelOperation(db(), operation.id, caller);
    },
  });
  expect(await findOperation(db(), operation.id)).toMatchObject({
    state: 'cancelled',
    error: { code: 'operation_cancelled' },
  });
  expect(await findTenant(db(), tenant.id)).toMatchObject({ state: 'failed' });
  await house.runAll();
  await expectCleanSlate(house);
  await retryOperation(db(), operation.id, caller);
  expect(await house.run(operation.id)).toEqual({ outcome: 'succeeded' });
  await expect(retryOperation(db(), operation.id, caller)).rejects.toMatchObject({ code: 'not_retryable' });
  const { operation: suspension } = await startSuspendTenant(db(), tenant.id, caller);
  await expect(cancelOperation(db(), suspension.id, caller)).rejects.toMatchObject({ code: 'not_cancellable' });
  await house.run(suspension.id);
  await expectCleanSlate(house);
});

test('P19 suspend under load: no session, no commit afterwards; resume serves within 5 s', async () => {
  const id = await needTenant(house, 'active');
  const { epoch } = (await findTenant(db(), id)) ?? { epoch: 0 };
  const database = await db()
    .selectFrom('databases')
    .selectAll()
    .where('tenant_id', '=', id)
    .where('state', '=', 'claimed')
    .executeTakeFirstOrThrow();
  const cluster = house.clusters.find((one) => one.id === database.cluster_id) ?? house.clusters[0];
  const names = namesOf(database.id);
  const secret = await db()
    .selectFrom('database_secrets')
    .select('sealed')
    .where('database_id', '=', database.id)
    .where('login', '=', 'app_a')
    .executeTakeFirstOrThrow();
  const password = house.sealer.open(secret.sealed, secretContext(database.id, 'app_a'));
  const address = { ...cluster.server.address, database: names.database, user: names.logins.app_a, password };
  const open = () => openSession(address, { applicationName: 'freehold-load' });
  const asOwner = { ...cluster.server.address, database: names.database };
  await superuserSql(asOwner, 'create schema load; create table load.rows (at timestamptz default clock_timestamp())');
  await superuserSql(
    asOwner,
    `grant usage on schema load to ${names.logins.app_a}; grant insert on load.rows to ${names.logins.app_a}`,
  );
  const over = new AbortController();
  let commits = 0;
  const writer = async () => {
    while (!over.signal.aborted) {
      let session: Session | undefined;
      try {
        session = await open();
        while (!over.signal.aborted) {
          await session.query('insert into load.rows default values');
          commits++;
        }
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 5)); // refused: tries to come in again
      } finally {
        await session?.close();
      }
    }
  };
  const load = Promise.all(Array.from({ length: 6 }, writer));
  await waitUntil(() => commits > 50, { what: 'load' });
  const { tenant, operation } = await startSuspendTenant(db(), id, caller);
  expect(tenant).toMatchObject({ state: 'suspending', epoch: epoch + 1 });
  expect(await house.run(operation.id)).toEqual({ outcome: 'succeeded' });
  const fencedAt = commits;
  const [sessions] = await superuserSql<{ n: number }>(
    cluster.server.address,
    'select count(*)::int as n from pg_stat_activity where datname = $1',
    [names.database],
  );
  expect(sessions).toEqual({ n: 0 });
  await new Promise((resolve) => setTimeout(resolve, 200)); // the writers hammer a closed door
  expect(commits).toBe(fencedAt);
  const resumedAtMs = performance.now();
  await house.run((await startResumeTenant(db(), id, caller)).operation.id);
  await waitUntil(() => commits > fencedAt, { what: 'writes after the resume', timeoutMs: 5_000 });
  expect(performance.now() - resumedAtMs).toBeLessThan(5_000);
  over.abort();
  await load;
  await superuserSql(asOwner, 'drop schema load cascade');
}, 60_000);

test('P20 a burst while one cluster is dead: all are made on the other', async () => {
  const [one, two] = house.clusters;
  await two.server.stop('immediate');
  const started = await Promise.all(Array.from({ length: 16 }, provision));
  const startedAtMs = performance.now();
  const waiting = started.map(({ operation }) => operation.id);
  // Four workers, as a queue would have them.
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
        const { outcome } = await house.run(id);
        if (outcome === 'retry' || outcome === 'busy') {
          const state = (await findOperation(db(), id))?.state;
          if (state !== 'succeeded' && state !== 'failed') waiting.push(id);
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      }
    }),
  );
  console.log(`16 cold provisions with a dead cluster: ${Math.round(performance.now() - startedAtMs)} ms`);
  const placed = await db()
    .selectFrom('databases')
    .select('cluster_id')
    .where(
      'tenant_id',
      'in',
      started.map(({ tenant }) => tenant.id),
    )
    .where('state', '=', 'claimed')
    .execute();
  expect(placed).toHaveLength(16);
  expect(new Set(placed.map((row) => row.cluster_id))).toEqual(new Set([one.id]));
  await two.server.start();
  await db().updateTable('clusters').set({ health: 'healthy' }).execute();
  await house.runAll();
  await expectCleanSlate(house);
}, 120_000);
