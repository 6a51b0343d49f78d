// The contract between the fleet and the application behind a runtime: tenants outside the declared range of versions are
// refused retryably, asked for, and served as soon as they are inside (M11); traffic is counted by version for the budget.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '../../catalog/ids.ts';
import { listRuntimeInstances } from '../../catalog/runtime-instances.ts';
import { systemClock } from '../../platform/clock.ts';
import { PostgresError } from '../../platform/postgres/errors.ts';
import { createVersionFigures } from '../../tenant-runtime/version-figures.ts';
import { call, createRuntimeFixture, type RuntimeFixture, type TestTenant } from '../support/runtime.ts';
import { waitUntil } from '../support/wait-until.ts';

let fixture: RuntimeFixture;
let tenant: TestTenant;
let token: string;
let version: string;

beforeAll(async () => {
  fixture = await createRuntimeFixture();
  tenant = await fixture.addTenant();
  token = await fixture.token(tenant.id);
  version = await versionOf();
}, 60_000);
afterAll(() => fixture.close());

const lanes = () =>
  fixture.house.catalog.db
    .selectFrom('databases')
    .select('lanes')
    .where('id', '=', tenant.databaseId)
    .executeTakeFirstOrThrow();
const versionOf = async () => (await lanes()).lanes.tenant?.version as string;
const setVersion = async (to: string) => {
  const now = (await lanes()).lanes;
  await fixture.house.catalog.db
    .updateTable('databases')
    .set({ lanes: JSON.stringify({ ...now, tenant: { ...now.tenant, version: to } }) })
    .where('id', '=', tenant.databaseId)
    .execute();
};
const ask = (url: string) => call(url, token, { body: { query: 'select tenant_uid from canary', params: [] } });

test('M11 a tenant outside the range of a runtime gets 503 and a code, and is served as soon as it is inside', async () => {
  const newer = `${BigInt(version) + 1n}`;
  const runtime = await fixture.startRuntime({
    FREEHOLD_RUNTIME_SCHEMA_MIN: newer,
    FREEHOLD_RUNTIME_HEARTBEAT_MS: '500',
  });
  const refused = await ask(runtime.url);
  expect(refused.status).toBe(503);
  expect(refused.body).toMatchObject({ code: 'schema_out_of_range', retryable: true });
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(JSON.stringify(refused.body)).not.toContain(version);
  await setVersion(newer);
  await waitUntil(async () => (await ask(runtime.url)).status === 200, { what: 'the notification of the new version' });
  await setVersion(version);
  await waitUntil(async () => (await ask(runtime.url)).status === 503, { what: 'the refusal of the old version' });
  await waitUntil(
    async () => {
      const [instance] = await listRuntimeInstances(fixture.house.catalog.db);
      const stats = instance?.stats as {
        schema_range?: { min: string | null };
        by_version?: Record<string, { requests: number }>;
      };
      return stats.schema_range?.min === newer && (stats.by_version?.[newer]?.requests ?? 0) > 0;
    },
    { what: 'range and figures in the heartbeat' },
  );
  await runtime.close();
});

test('M11 a runtime whose range ends before the version of a tenant refuses it, one without a range serves all', async () => {
  const old = await fixture.startRuntime({ FREEHOLD_RUNTIME_SCHEMA_MAX: '20200101000000000' });
  const any = await fixture.startRuntime();
  expect((await ask(old.url)).body).toMatchObject({ code: 'schema_out_of_range' });
  expect((await ask(any.url)).status).toBe(200);
});

test('a tenant that is refused for its version is asked for, where a rollout on demand has it still to do', async () => {
  const { db } = fixture.house.catalog;
  const rollout = newId('rollout');
  const { cluster_id } = await db
    .selectFrom('databases')
    .select('cluster_id')
    .where('id', '=', tenant.databaseId)
    .executeTakeFirstOrThrow();
  await db
    .insertInto('rollouts')
    .values({
      id: rollout,
      kind: 'exec',
      lane: 'tenant',
      release_id: null,
      statement: 'select 1',
      state: 'running',
      selection: '{}',
      policy: JSON.stringify({ on_demand: true }),
      actor: 'test',
      request_id: null,
      approved_by: null,
    })
    .execute();
  const member = { rollout_id: rollout, database_id: tenant.databaseId, tenant_id: tenant.id, cluster_id, wave: 1 };
  await db.insertInto('rollout_members').values(member).execute();
  const runtime = await fixture.startRuntime({ FREEHOLD_RUNTIME_SCHEMA_MIN: `${BigInt(version) + 1n}` });
  expect((await ask(runtime.url)).status).toBe(503);
  await waitUntil(
    async () =>
      (
        await db
          .selectFrom('rollout_members')
          .select('requested_at')
          .where('rollout_id', '=', rollout)
          .executeTakeFirstOrThrow()
      ).requested_at !== null,
    { what: 'the member to be asked for' },
  );
});

test('figures by version count what a migration can cause, not what a tenant does to itself, and forget after a minute', () => {
  let now = 0;
  const figures = createVersionFigures({ ...systemClock, now: () => new Date(now) });
  const failed = (code: string) => new PostgresError({ code, message: 'x' });
  for (let i = 0; i < 98; i++) figures.record('1', 4);
  figures.record('1', 700, failed('42703'));
  figures.record('1', 700, failed('23505'));
  figures.record('2', 4);
  expect(figures.read()).toEqual({
    '1': { requests: 100, errors: 1, p99_ms: 800 },
    '2': { requests: 1, errors: 0, p99_ms: 5 },
  });
  now += 70_000;
  expect(figures.read()).toEqual({});
});
