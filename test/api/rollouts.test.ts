// The door to rollouts over HTTP: real tenants, real migrations, every route and every bad input with its code, nothing half-begun.
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import { newId, type RolloutId } from '../../catalog/ids.ts';
import type { RolloutMember, RolloutView } from '../../control-plane/client.ts';
import { registerRelease } from '../../control-plane/rollouts/start/register-release.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { createFleetTenants, type FleetTenant, inDatabase, laneWith } from '../support/fleet.ts';
import { waitUntil } from '../support/wait-until.ts';

let plane: ControlPlane;
let tenants: FleetTenant[];
const history: string[] = [];
const dba = () => plane.client('dba');
const db = () => plane.installation.catalog.db;

/** A release with one more file behind those before it. */
async function release(statement: string, name?: string): Promise<string> {
  history.push(statement);
  const made = await registerRelease(db(), { lane: await laneWith(...history), name }, systemCaller('test'));
  return made.release.name;
}

async function ended(id: string): Promise<RolloutView> {
  let last: RolloutView | undefined;
  const signal = AbortSignal.timeout(30_000);
  for await (const event of dba().rollouts.follow(id, signal)) if ('rollout' in event) last = event.rollout;
  return last as RolloutView;
}

const stateIs = (id: string, state: RolloutView['state']) =>
  waitUntil(async () => (await dba().rollouts.get(id)).state === state, { what: `${id} ${state}`, timeoutMs: 30_000 });

async function membersOf(id: string): Promise<RolloutMember[]> {
  return Array.fromAsync(dba().rollouts.members(id).list());
}

/** So that a worker looks, as the reconciler makes one do every two seconds. */
async function wakeAgain(id: string): Promise<void> {
  await dba().rollouts.pause(id);
  await dba().rollouts.resume(id);
}

/** Tenants that are made at once are not always spread evenly. */
const on = (cluster: 0 | 1) => tenants.filter((tenant) => tenant.cluster === cluster).length;

let keys = 0;
const post = async (body: unknown, as: 'dba' | 'viewer' = 'dba', headers = { 'idempotency-key': `k-${++keys}` }) =>
  (await plane.request('POST', '/v1/rollouts', { as, body, headers })).json();
const rolloutsInAll = async () => (await db().selectFrom('rollouts').select('id').execute()).length;

beforeAll(async () => {
  plane = await startControlPlane();
  await registerRelease(db(), { lane: await laneWith() }, systemCaller('test'));
  tenants = await createFleetTenants(plane.installation, 6);
}, 60_000);
afterAll(() => plane.close());

describe('a rollout through the API', () => {
  test('begun, worked at once, followed to its end; in the list, in full, member by member', async () => {
    const name = await release('create table one (id int)', 'first');
    const begun = await dba().rollouts.create({});
    expect(begun).toMatchObject({ kind: 'migrate', release: name, state: 'running', moves_head: true, members: 6 });
    expect(begun.waves.map((wave) => wave.name)).toEqual(['canary', 'first tenth', 'the rest']);
    const last = await ended(begun.id);
    expect(last).toMatchObject({ state: 'succeeded', counts: { done: 6, pending: 0 } });
    expect(last.clusters.map((cluster) => cluster.counts.done)).toEqual([on(0), on(1)]);
    const members = await membersOf(begun.id);
    expect(members.map((member) => member.state)).toEqual(Array(6).fill('done'));
    expect(members.map((member) => member.slug).sort()).toEqual(tenants.map((tenant) => tenant.slug).sort());
    const page = await plane.client('viewer').rollouts.page({ state: 'succeeded', lane: 'tenant', limit: 1 });
    expect(page).toMatchObject({ data: [{ id: begun.id, counts: { done: 6 } }], has_more: false });
    const few = await dba().rollouts.members(begun.id).page({ limit: 4, cluster: 'one' });
    expect(few.data.map((member) => member.cluster.name)).toEqual(Array(Math.min(4, on(0))).fill('one'));
    const audit = await dba().audit.page({ target_id: begun.id });
    expect(audit.data.map((entry) => entry.action)).toEqual(['rollout.create']);
  });

  test('a plan tells all and begins nothing: clusters, versions, waves, files with their SQL, what it took before', async () => {
    await dba().targetGroups.create({
      name: 'night',
      selection: { slugs: ['fleet-0'] },
      maintenance_window: { days: [3], from: '02:00', to: '04:00' },
    });
    const before = await rolloutsInAll();
    const name = await release('alter table one add column planned int');
    const plan = await plane.client('viewer').rollouts.plan({}, { sql: true });
    expect(plan).toMatchObject({
      release: { name },
      databases: 6,
      already_there: 0,
      moves_head: true,
      versions: [{ databases: 6 }],
      refusals: [],
      limits: { failures: 1, at_once: 2 },
      estimate: { ms: null, reason: expect.stringContaining('first wave') },
      files: [{ databases: 6, statements: ['alter table one add column planned int'] }],
    });
    expect(plan.clusters.map((cluster) => [cluster.name, cluster.databases]).sort()).toEqual([
      ['one', on(0)],
      ['two', on(1)],
    ]);
    const night = plan.waves.at(-1);
    expect(night).toMatchObject({ group: 'night', tenants: ['fleet-0'], opens_at: expect.stringContaining('T02:00') });
    expect(plan.waves.slice(0, -1).flatMap((wave) => wave.tenants)).not.toContain('fleet-0');
    const limitsOf = async (policy: object) => (await dba().rollouts.plan({ policy })).limits;
    expect(await limitsOf({ on_failure: 'stop' })).toEqual({ failures: 0, at_once: 1 });
    const wide = { budget: { failures: '100%' }, concurrency_per_cluster: 1 };
    expect(await limitsOf(wide)).toEqual({ failures: 6, at_once: 2 });
    const bad = { release: 'nope', selection: { plans: ['teem'] }, policy: { probe: 'drop table x' } };
    const refused = await dba().rollouts.plan(bad);
    expect(refused.refusals.map(({ code }) => code)).toEqual([
      'policy_invalid',
      'selection_invalid',
      'release_not_found',
    ]);
    expect(await rolloutsInAll()).toBe(before);
    await dba().targetGroups.delete('night', { version: 1 });
    const { id } = await dba().rollouts.create({ selection: { slugs: ['fleet-1'] } });
    await ended(id);
    expect((await dba().rollouts.plan({})).estimate).toMatchObject({
      ms: expect.any(Number),
      reason: expect.stringContaining('1 databases'),
    });
    const back = await dba().rollouts.plan({ kind: 'rollback', release: 'latest' });
    expect(back).toMatchObject({ databases: 0, refusals: [], estimate: { ms: 0 } });
    await ended((await dba().rollouts.create({})).id);
    expect((await dba().rollouts.plan({ release: 'first' })).refusals.map(({ code }) => code)).toEqual([
      'release_behind',
    ]);
  });

  test('M13 with nobody behind it ends where it begins, without a member', async () => {
    expect(await dba().rollouts.create({})).toMatchObject({ state: 'succeeded', members: 0, waves: [] });
  });

  test('P04 the same Idempotency-Key gives the same rollout, another body is refused, none at all too', async () => {
    const options = { idempotencyKey: 'same' };
    const first = await dba().rollouts.create({ selection: { slugs: ['fleet-0'] } }, options);
    const before = await rolloutsInAll();
    expect((await dba().rollouts.create({ selection: { slugs: ['fleet-0'] } }, options)).id).toBe(first.id);
    expect(await rolloutsInAll()).toBe(before);
    await expect(dba().rollouts.create({}, options)).rejects.toMatchObject({ code: 'idempotency_key_reused' });
    const answer = await plane.request('POST', '/v1/rollouts', { as: 'dba', body: {} });
    expect(await answer.json()).toMatchObject({ code: 'idempotency_key_required' });
  });

  test('M02 a failed member is told as it fails; retried after the fix the rollout goes through; a skip keeps its reason', async () => {
    await inDatabase(plane.installation, tenants[4] as FleetTenant, 'insert into one values (1), (1)');
    await inDatabase(plane.installation, tenants[5] as FleetTenant, 'insert into one values (2), (2)');
    await release('alter table one add constraint one_id unique (id)');
    const { id } = await dba().rollouts.create({ policy: { budget: { failures: '100%' } } });
    const failures: RolloutMember[] = [];
    for await (const event of dba().rollouts.follow(id, AbortSignal.timeout(30_000)))
      if ('failure' in event) failures.push(event.failure);
    expect(failures.map((failure) => failure.slug).sort()).toEqual(['fleet-4', 'fleet-5']);
    expect(failures[0]?.error).toMatchObject({ sqlstate: '23505', state_of_database: 'unchanged' });
    expect(failures[0]?.error?.detail).toContain('is duplicated');
    const seen = await plane.client('viewer').rollouts.members(id).page({ state: 'failed' });
    expect(seen.data.map((member) => member.error?.detail)).toEqual([undefined, undefined]);
    expect(await dba().rollouts.get(id)).toMatchObject({ state: 'finished', counts: { done: 4, failed: 2 } });
    await expect(dba().rollouts.retry(id, ['fleet-9'])).rejects.toMatchObject({
      code: 'selection_invalid',
      extra: { unknown: ['fleet-9'] },
    });
    await inDatabase(plane.installation, tenants[4] as FleetTenant, 'truncate one');
    await dba().rollouts.retry(id, ['fleet-4']);
    expect(await ended(id)).toMatchObject({ state: 'finished', counts: { done: 5, failed: 1 } });
    await inDatabase(plane.installation, tenants[5] as FleetTenant, 'truncate one');
    await dba().rollouts.retry(id);
    expect(await ended(id)).toMatchObject({ state: 'succeeded', counts: { done: 6 } });
    const refused = { code: 'rollout_not_in_state' };
    await expect(dba().rollouts.abort(id)).rejects.toMatchObject(refused);
    await expect(dba().rollouts.pause(id)).rejects.toMatchObject(refused);
    await expect(dba().rollouts.resume(id)).rejects.toMatchObject(refused);
    await expect(dba().rollouts.retry(id)).rejects.toMatchObject(refused);
  });
});

describe('what people do to one', () => {
  test('M07 M08 a canary that fails halts; a second rollout is refused by id; skipped and resumed it goes on; abort is final', async () => {
    await inDatabase(plane.installation, tenants[0] as FleetTenant, 'insert into one values (null)');
    await release('alter table one alter column id set not null');
    const { id } = await dba().rollouts.create({});
    await stateIs(id, 'halted');
    expect(await dba().rollouts.get(id)).toMatchObject({
      verdict: { rule: 'canary', evidence: { failed: 1, size: 1 } },
      counts: { failed: 1, pending: 5 },
    });
    expect(await post({})).toMatchObject({ status: 423, code: 'rollout_in_progress', rollout_id: id });
    expect(await dba().rollouts.skip(id, ['fleet-0'], 'mended by hand')).toMatchObject({ counts: { skipped: 1 } });
    await dba().rollouts.resume(id, 'seen');
    expect(await ended(id)).toMatchObject({ state: 'finished', counts: { done: 5, skipped: 1 } });
    const skipped = (await membersOf(id)).find((member) => member.state === 'skipped');
    expect(skipped).toMatchObject({ slug: 'fleet-0', skip_reason: 'mended by hand' });
    await inDatabase(plane.installation, tenants[0] as FleetTenant, 'truncate one');
    await dba().rollouts.retry(id, ['fleet-0']);
    expect(await ended(id)).toMatchObject({ state: 'succeeded' });
  });

  test('a group that wants a second person: neither the same key nor one that it made may approve', async () => {
    const group = await dba().targetGroups.create({ name: 'banks', selection: { slugs: ['fleet-1'] }, approval: true });
    await release('create table approved (id int)');
    const owner = plane.client('owner');
    const { id, state } = await owner.rollouts.create({ selection: { group: 'banks' } });
    expect(state).toBe('awaiting-approval');
    const second = { code: 'approval_needs_second_person', status: 403 };
    await expect(owner.rollouts.approve(id)).rejects.toMatchObject(second);
    // The key of the DBA was made by the owner's.
    await expect(dba().rollouts.approve(id)).rejects.toMatchObject(second);
    await expect(dba().targetGroups.delete('banks', { version: group.version })).rejects.toMatchObject({
      code: 'target_group_in_use',
      extra: { rollout_id: id },
    });
    await expect(plane.client('operator').rollouts.approve(id)).rejects.toMatchObject({ code: 'role_forbidden' });
    await db().updateTable('api_keys').set({ created_by: 'key_of_a_third' }).where('role', '=', 'dba').execute();
    expect((await dba().rollouts.approve(id)).approval).toMatchObject({ required: true, by: plane.keys.dba.id });
    expect(await ended(id)).toMatchObject({ state: 'succeeded', counts: { done: 1 } });
    await dba().targetGroups.delete('banks', { version: group.version });
    expect(await dba().rollouts.create({ selection: {} })).toMatchObject({ state: 'running', members: 5 });
  });

  test('exec runs one statement once in each, in waves, and shows it only to those who may act', async () => {
    await waitUntil(async () => (await dba().rollouts.page({ state: 'running' })).data.length === 0, {
      what: 'the one before',
      timeoutMs: 30_000,
    });
    const statement = 'insert into one values (7)';
    const { id } = await dba().rollouts.create({
      kind: 'exec',
      statement,
      selection: { slugs: ['fleet-1', 'fleet-2'] },
    });
    expect(await ended(id)).toMatchObject({ state: 'succeeded', release: null, counts: { done: 2 } });
    for (const at of [1, 2])
      expect(
        await inDatabase(plane.installation, tenants[at] as FleetTenant, 'select count(*)::int n from one'),
      ).toEqual([{ n: 1 }]);
    expect((await dba().rollouts.get(id)).statement).toBe(statement);
    expect((await plane.client('viewer').rollouts.get(id)).statement).toBeNull();
  });

  test('M06 closed by a suspension it is set aside and taken when it is opened again; purged meanwhile it is gone', async () => {
    await release('create table moving (id int)');
    const operator = plane.client('operator');
    const [suspended, deleted] = [tenants[1] as FleetTenant, tenants[2] as FleetTenant];
    const waves = [{ size: '1', bake_ms: 3_600_000 }];
    const { id } = await dba().rollouts.create({ policy: { waves } });
    await waitUntil(async () => (await dba().rollouts.get(id)).waves[0]?.state === 'baking', { what: 'the bake time' });
    await operator.tenants.suspend(suspended.tenantId, { waitSec: 30 });
    await operator.tenants.delete(deleted.tenantId, { waitSec: 30 });
    await plane.client('owner').tenants.purge(deleted.tenantId, { waitSec: 30 });
    const memberOf = async (tenant: FleetTenant) =>
      (await membersOf(id)).find((member) => member.database_id === tenant.databaseId);
    await wakeAgain(id);
    await waitUntil(async () => (await memberOf(deleted))?.state === 'gone', { what: 'a drive' });
    expect(await memberOf(suspended)).toMatchObject({
      state: 'skipped',
      skip_reason: expect.stringContaining('closed'),
    });
    await operator.tenants.resume(suspended.tenantId, { waitSec: 30 });
    await db()
      .updateTable('rollout_waves')
      .set({ bake_ms: 0 })
      .where('rollout_id', '=', id as RolloutId)
      .execute();
    await wakeAgain(id);
    expect(await ended(id)).toMatchObject({ state: 'succeeded', counts: { done: 5, gone: 1 } });
    expect(await memberOf(suspended)).toMatchObject({ state: 'done', skip_reason: null });
  });

  test('on demand: who is asked for comes before its wave, but not outside of the hours of its group', async () => {
    const never = { not_before: '2099-01-01T00:00:00Z' };
    const group = { name: 'night', selection: { slugs: ['fleet-3'] }, maintenance_window: never };
    const night = await dba().targetGroups.create(group);
    await release('create table asked (id int)');
    const waves = [{ size: '1' }, { size: '1', bake_ms: 3_600_000 }];
    const { id } = await dba().rollouts.create({ policy: { waves, on_demand: true } });
    await waitUntil(async () => (await dba().rollouts.get(id)).waves[1]?.state === 'baking', {
      what: 'the second wave',
    });
    const waiting = (await membersOf(id)).filter((member) => member.state === 'pending');
    const asked = waiting.find((member) => member.slug !== 'fleet-3') as RolloutMember;
    for (const tenant of [asked.tenant_id, (tenants[3] as FleetTenant).tenantId])
      await sql`select runtime.ask_migration(${tenant})`.execute(db());
    await waitUntil(async () => (await membersOf(id)).find((member) => member.slug === asked.slug)?.state === 'done', {
      what: 'the one that was asked for',
    });
    const after = await membersOf(id);
    expect(after.find((member) => member.slug === 'fleet-3')).toMatchObject({
      state: 'pending',
      requested_at: expect.any(String),
    });
    expect(after.filter((member) => member.state === 'pending').length).toBe(waiting.length - 1);
    await dba().rollouts.abort(id);
    await dba().targetGroups.delete('night', { version: night.version });
    await ended((await dba().rollouts.create({})).id);
  });

  test('M11 a contract is refused while a tenant is below the expand version or a runtime needs the old one', async () => {
    const expand = await release('alter table asked add column wide bigint');
    history.push('alter table asked drop column id');
    const lane = await laneWith(...history);
    const version = (lane.files.at(-2)?.name ?? '').split('_')[0] as string;
    const last = lane.files.at(-1) as (typeof lane.files)[number];
    const files = [...lane.files.slice(0, -1), { ...last, contractRequires: version }];
    const contract = await registerRelease(db(), { lane: { ...lane, files }, name: 'contract' }, systemCaller('test'));
    const refused = { code: 'contract_refused' };
    await expect(dba().rollouts.create({ release: 'contract' })).rejects.toMatchObject({
      ...refused,
      detail: expect.stringMatching(/below version .*fleet-/),
    });
    await ended((await dba().rollouts.create({ release: expand })).id);
    const runtime = { id: newId('runtimeInstance'), host: 'old', pid: 7, version: '1', started_at: new Date() };
    const stats = JSON.stringify({ schema_range: { min: null, max: version } });
    await db()
      .insertInto('runtime_instances')
      .values({ ...runtime, heartbeat_at: new Date(), stats })
      .execute();
    expect((await dba().rollouts.plan({ release: 'contract' })).refusals).toMatchObject([
      { ...refused, message: expect.stringContaining('old/7') },
    ]);
    await expect(dba().rollouts.create({ release: 'contract' })).rejects.toMatchObject(refused);
    await db().deleteFrom('runtime_instances').where('id', '=', runtime.id).execute();
    expect(await ended((await dba().rollouts.create({ release: contract.release.id })).id)).toMatchObject({
      state: 'succeeded',
    });
  });
});

describe('bad input: a code, the next step, nothing begun', () => {
  const window = { not_before: '2020-01-01T00:00:00Z', not_after: '2020-01-02T00:00:00Z' };
  test.each<[string, unknown, string, RegExp]>([
    ['an unknown release', { release: 'nope' }, 'release_not_found', /nope/],
    ['an unknown lane', { lane: 'plugin' }, 'invalid_body', /./],
    ['an unknown kind', { kind: 'explode' }, 'invalid_body', /./],
    ['a selection of nobody', { selection: { tiers: ['dedicated'] } }, 'selection_empty', /No tenant/],
    ['a misspelt plan', { selection: { plans: ['teem'] } }, 'selection_invalid', /plan .*teem/],
    ['a misspelt region', { selection: { regions: ['moon'] } }, 'selection_invalid', /region .*moon/],
    ['a misspelt cluster', { selection: { clusters: ['three'] } }, 'selection_invalid', /cluster .*three/],
    ['a misspelt slug', { selection: { slugs: ['fleet-0', 'fleat-1'] } }, 'selection_invalid', /fleat-1/],
    ['a misspelt label', { selection: { labels: ['teir:gold'] } }, 'selection_invalid', /label .*teir/],
    ['an unknown database', { selection: { databases: [newId('database')] } }, 'selection_invalid', /dbs_/],
    ['a misspelt name in a filter', { selection: { filter: "plan <> 'teem'" } }, 'selection_invalid', /teem/],
    ['a filter that ends early', { selection: { filter: "plan = 'team' and" } }, 'selection_invalid', /at the end/],
    [
      'a like that ends with a backslash',
      { selection: { filter: "slug like 'a\\'" } },
      'selection_invalid',
      /backslash/,
    ],
    ['NUL in a name', { selection: { slugs: ['a\0'] } }, 'invalid_body', /./],
    ['a group that is gone', { selection: { group: 'gone' } }, 'target_group_not_found', /gone/],
    ['a wave of a group that is gone', { policy: { waves: [{ group: 'gone' }] } }, 'target_group_not_found', /gone/],
    ['an exec of nothing', { kind: 'exec' }, 'statement_refused', /statement/],
    ['an exec that commits', { kind: 'exec', statement: 'commit' }, 'statement_refused', /not allowed/],
    ['an exec that does not parse', { kind: 'exec', statement: 'selec 1' }, 'statement_refused', /line 1/],
    ['a probe that writes', { policy: { probe: 'delete from one' } }, 'policy_invalid', /probe/],
    ['a wave of nobody', { policy: { waves: [{ size: '0' }] } }, 'policy_invalid', /waves\/0/],
    ['a wave of two kinds', { policy: { waves: [{}] } }, 'policy_invalid', /either/],
    ['a window in the past', { policy: { waves: [{ size: '1', window }] } }, 'policy_invalid', /in the past/],
    ['a budget that can never hold', { policy: { budget: { lock_wait_ms: 0 } } }, 'policy_invalid', /lock_wait_ms/],
    ['a release that is behind', { release: 'first' }, 'release_behind', /use a rollback/],
    [
      'a rollback over a file without a way back',
      { kind: 'rollback', release: 'first' },
      'not_reversible',
      /no way back/,
    ],
  ])('%s', async (_, body, code, text) => {
    const before = await rolloutsInAll();
    const problem = (await post(body)) as { code: string; detail: string };
    expect(problem).toMatchObject({ code, detail: expect.stringMatching(text) });
    expect(await rolloutsInAll()).toBe(before);
  });

  test('an unknown rollout is not found, whatever is asked of it', async () => {
    const id = newId('rollout');
    const rollouts = dba().rollouts;
    const asks = [
      () => rollouts.get(id),
      () => rollouts.members(id).page({}),
      () => rollouts.pause(id),
      () => rollouts.approve(id),
    ];
    for (const ask of asks) await expect(ask()).rejects.toMatchObject({ code: 'rollout_not_found', status: 404 });
    await expect(Array.fromAsync(rollouts.follow(id))).rejects.toMatchObject({ code: 'rollout_not_found' });
  });

  test('target groups: what is saved is checked, and changed only by who has read it', async () => {
    const groups = dba().targetGroups;
    const refused = async (body: object, code: string) =>
      expect(groups.create({ name: 'bad', selection: {}, ...body })).rejects.toMatchObject({ code });
    await refused({ selection: { plans: ['teem'] } }, 'selection_invalid');
    await refused({ selection: { group: 'other' } }, 'selection_invalid');
    await refused({ selection: { filter: 'x' } }, 'selection_invalid');
    await refused({ maintenance_window: window }, 'policy_invalid');
    await refused({ maintenance_window: { timezone: 'Mars' } }, 'invalid_body');
    const made = await groups.create({ name: 'gold', selection: { labels: ['tier:gold'] }, position: 2 });
    await expect(groups.create({ name: 'gold', selection: {} })).rejects.toMatchObject({ code: 'name_taken' });
    const changed = await groups.update('gold', { description: 'they pay', approval: true }, { version: made.version });
    expect(changed).toMatchObject({ description: 'they pay', approval: true, position: 2, version: 2 });
    await expect(groups.update('gold', { position: 1 }, { version: 1 })).rejects.toMatchObject({
      code: 'stale_version',
    });
    await expect(groups.delete('gold', { version: 1 })).rejects.toMatchObject({ code: 'stale_version' });
    expect((await groups.page({})).data.map((group) => group.name)).toEqual(['gold']);
    await groups.delete('gold', { version: 2 });
    await expect(groups.get('gold')).rejects.toMatchObject({ code: 'target_group_not_found' });
    const audit = await dba().audit.page({ target_id: 'gold' });
    expect(audit.data.map((entry) => entry.action)).toEqual([
      'target_group.delete',
      'target_group.update',
      'target_group.create',
    ]);
  });
});

test('a plan shows what the linter said of every file that would run, in whichever release it was new, and of no other', async () => {
  const findingOf = (file: string) => ({
    file: `${file}.sql`,
    line: 1,
    column: 1,
    generated: false,
    rule: 'prefer-bigint-over-int',
    severity: 'warning',
    message: `of ${file}`,
    waived: null,
  });
  const names: string[] = [];
  for (const statement of ['create table found_one (id int)', 'create table found_two (id int)']) {
    history.push(statement);
    const lane = await laneWith(...history);
    names.push(lane.files.at(-1)?.name ?? '');
    await registerRelease(db(), { lane, lint: [findingOf(names.at(-1) ?? '')] }, systemCaller('test'));
  }
  const { findings } = await dba().rollouts.plan({});
  expect(findings.map(({ message }) => message).sort()).toEqual(names.map((name) => `of ${name}`).sort());
  expect(findings[0]?.why).not.toBe('');
  const first = { selection: { slugs: ['fleet-0'] }, release: names[0]?.split('_')[0] as string };
  expect((await dba().rollouts.plan(first)).findings.map(({ message }) => message)).toEqual([`of ${names[0]}`]);
});
