// The beginning of a tenant: Idempotency-Key (P04), what is refused, and what the warm claim costs in round trips.
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import { reapIdempotencyKeys } from '../../catalog/idempotency.ts';
import { planLimitsSchema } from '../../catalog/plan-limits.ts';
import { startCreateDatabase } from '../../control-plane/operations/start/start-create-database.ts';
import { startProvisionTenant } from '../../control-plane/operations/start/start-provision-tenant.ts';
import { aroundCatalogCalls } from '../support/catalog-calls.ts';
import { expectCleanSlate } from '../support/clean-slate.ts';
import { createInstallation, type Installation } from '../support/installation.ts';

let house: Installation;
beforeAll(async () => {
  house = await createInstallation();
});
afterAll(() => house.close());

const caller = systemCaller('test');
let count = 0;
const newTenant = (change: Partial<Parameters<typeof startProvisionTenant>[1]> = {}) => ({
  slug: `tenant-${++count}`,
  name: 'A tenant',
  region: 'here',
  tier: 'shared' as const,
  planId: 'team',
  labels: {},
  ...change,
});
const start = (input: ReturnType<typeof newTenant>, key?: string, requestHash = 'a', who = caller) =>
  startProvisionTenant(house.catalog.db, input, who, key === undefined ? undefined : { key, requestHash });

test('P04 the same key and body: one tenant, whether one after another or fifty at once', async () => {
  const input = newTenant();
  const first = await start(input, 'k1');
  const second = await start(input, 'k1');
  expect(first.replayed).toBe(false);
  expect(second).toMatchObject({
    replayed: true,
    tenant: { id: first.tenant.id },
    operation: { id: first.operation.id },
  });
  const at = newTenant();
  const answers = await Promise.allSettled(Array.from({ length: 50 }, () => start(at, 'k2')));
  const tenants = new Set(answers.flatMap((a) => (a.status === 'fulfilled' ? [a.value.tenant.id] : [])));
  const refused = answers.flatMap((a) => (a.status === 'rejected' ? [a.reason.code] : []));
  expect(tenants.size).toBe(1);
  expect(answers.filter((a) => a.status === 'fulfilled' && !a.value.replayed)).toHaveLength(1);
  expect(new Set(refused)).toEqual(refused.length === 0 ? new Set() : new Set(['idempotency_in_flight']));
});

test('P04 the same key while the first is not finished: idempotency_in_flight with Retry-After', async () => {
  const input = newTenant();
  let letGo = () => {};
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let inserted = () => {};
  const begun = new Promise<void>((resolve) => {
    inserted = resolve;
  });
  const first = house.catalog.db.transaction().execute(async (tx) => {
    await sql`insert into idempotency_keys (principal, key, request_hash, expires_at)
      values (${caller.actor}, 'k3', 'a', now() + interval '1 day')`.execute(tx);
    inserted();
    await gate;
    throw new Error('never mind');
  });
  await begun;
  await expect(start(input, 'k3')).rejects.toMatchObject({ code: 'idempotency_in_flight', retryAfterMs: 1_000 });
  letGo();
  await expect(first).rejects.toThrow('never mind');
  expect((await start(input, 'k3')).replayed).toBe(false); // the first died before its answer: nothing of it is left
});

test('P04 another body is refused, another principal is independent, an expired key is new', async () => {
  await start(newTenant(), 'k4', 'a');
  await expect(start(newTenant(), 'k4', 'b')).rejects.toMatchObject({
    code: 'idempotency_key_reused',
    kind: 'unprocessable',
  });
  expect((await start(newTenant(), 'k4', 'b', systemCaller('other'))).replayed).toBe(false);
  await sql`update idempotency_keys set expires_at = now() - interval '1 second' where key = 'k4' and principal = ${caller.actor}`.execute(
    house.catalog.db,
  );
  expect((await start(newTenant(), 'k4', 'b')).replayed).toBe(false);
  await sql`update idempotency_keys set expires_at = now() - interval '1 second' where key = 'k4'`.execute(
    house.catalog.db,
  );
  expect(await reapIdempotencyKeys(house.catalog.db, 100)).toBe(2);
});

test('what is refused leaves nothing behind', async () => {
  const taken = newTenant();
  await start(taken);
  const before = await house.catalog.db
    .selectFrom('operations')
    .select(sql<number>`count(*)::int`.as('n'))
    .executeTakeFirstOrThrow();
  await expect(start(newTenant({ slug: taken.slug }), 'k5')).rejects.toMatchObject({ code: 'slug_taken' });
  await expect(start(newTenant({ region: 'nowhere' }))).rejects.toMatchObject({
    code: 'unknown_region',
    extra: { regions: ['here'] },
  });
  await expect(start(newTenant({ tier: 'dedicated' }))).rejects.toMatchObject({ code: 'no_capacity' });
  await expect(start(newTenant({ planId: 'none' }))).rejects.toMatchObject({ code: 'plan_not_found' });
  const after = await house.catalog.db
    .selectFrom('operations')
    .select(sql<number>`count(*)::int`.as('n'))
    .executeTakeFirstOrThrow();
  expect(after).toEqual(before);
  expect((await start(newTenant(), 'k5')).replayed).toBe(false);
});

test('a plan is exhausted at its last tenant, also when all come at once', async () => {
  const limits = JSON.stringify(planLimitsSchema.parse({}));
  await house.catalog.db.insertInto('plans').values({ id: 'few', title: 'Few', limits, tenants_max: 3 }).execute();
  const answers = await Promise.allSettled(Array.from({ length: 10 }, () => start(newTenant({ planId: 'few' }))));
  expect(answers.filter((a) => a.status === 'fulfilled')).toHaveLength(3);
  const codes = answers.flatMap((a) => (a.status === 'rejected' ? [a.reason.code] : []));
  expect(new Set(codes)).toEqual(new Set(['plan_exhausted']));
});

test('a warm claim costs few round trips to the catalog', async () => {
  await house.runAll();
  const made = await startCreateDatabase(house.catalog.db, house.clusters[0].id, caller);
  await house.run(made.id);
  const database = await house.catalog.db
    .selectFrom('databases')
    .select('id')
    .where('state', '=', 'warm')
    .executeTakeFirstOrThrow();
  await house.connections.databases.prewarm(database.id);
  let sent = 0;
  const stop = aroundCatalogCalls(house.catalog, ({ go }) => {
    sent++;
    return go();
  });
  const { operation } = await start(newTenant());
  const atStart = sent;
  expect(await house.run(operation.id)).toEqual({ outcome: 'succeeded' });
  const inRun = sent - atStart;
  stop();
  console.log(`round trips to the catalog: ${atStart} at the start, ${inRun} in the run`);
  expect(inRun).toBeLessThanOrEqual(12);
  await expectCleanSlate(house);
});
