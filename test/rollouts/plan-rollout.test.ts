// Releases and plans: what is refused before any database is touched, and whom a selection means.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import { type ClusterId, type DatabaseId, newId, type TenantId } from '../../catalog/ids.ts';
import { readHeads } from '../../catalog/lane-heads.ts';
import { type Catalog, openCatalog } from '../../catalog/open-catalog.ts';
import { seedPlans } from '../../catalog/plans.ts';
import { readLane } from '../../catalog/releases.ts';
import { rolloutPolicySchema, type Selection } from '../../catalog/rollout-policy.ts';
import { selectTargets } from '../../catalog/targets.ts';
import { laneHash } from '../../control-plane/migration-files/lane-hash.ts';
import type { Lane, MigrationFile } from '../../control-plane/migration-files/migration-file.ts';
import { lookAtPlan, planRollout } from '../../control-plane/rollouts/look/plan-rollout.ts';
import type { RolloutRequest } from '../../control-plane/rollouts/look/rollout-plan.ts';
import { registerRelease } from '../../control-plane/rollouts/start/register-release.ts';
import { createCatalog } from '../support/catalog.ts';
import { testLog } from '../support/installation.ts';

let scratch: Awaited<ReturnType<typeof createCatalog>>;
let catalog: Catalog;
const clusters = [newId('cluster'), newId('cluster')] as const;
const caller = systemCaller('test');

const file = (version: number, more: Partial<MigrationFile> = {}): MigrationFile => ({
  name: `${version}_step`,
  hash: `${version}`.padStart(64, '0'),
  up: { transaction: true, statements: [`select ${version}`] },
  down: { transaction: true, statements: ['select 0'] },
  program: null,
  contractRequires: null,
  ...more,
});
const laneOf = (...files: MigrationFile[]): Lane => ({
  name: 'tenant',
  files,
  version: (files.at(-1)?.name ?? '').replace('_step', ''),
  hash: laneHash(files),
});
const one = laneOf(file(1));
const two = laneOf(file(1), file(2));

beforeAll(async () => {
  scratch = await createCatalog();
  catalog = openCatalog({ address: scratch.address, sessionsMax: 3, applicationName: 'freehold-test', log: testLog() });
  await seedPlans(catalog.db);
  for (const [i, id] of clusters.entries()) await addCluster(id, `cluster-${i}`);
}, 60_000);
afterAll(async () => {
  await catalog.close();
  await scratch.drop();
});

async function addCluster(id: ClusterId, name: string) {
  const row = { id, name, region: 'eu', tier: 'shared', state: 'active', host: name, port: 5432 } as const;
  await catalog.db
    .insertInto('clusters')
    .values({
      ...row,
      provisioner_sealed: 'x',
      server_version_num: 180_004,
      capabilities: '{}',
      capacity: 100,
      connection_budget: 100,
    })
    .execute();
}

async function addTenant(
  slug: string,
  at: Lane,
  more: { plan?: string; region?: string; labels?: object; cluster?: 0 | 1 } = {},
) {
  const id = newId('tenant') as TenantId;
  await catalog.db
    .insertInto('tenants')
    .values({
      id,
      slug,
      name: slug,
      region: more.region ?? 'eu',
      tier: 'shared',
      plan_id: more.plan ?? 'team',
      state: 'active',
      deleted_from: null,
      labels: JSON.stringify(more.labels ?? {}),
    })
    .execute();
  await addDatabase(id, at, clusters[more.cluster ?? 0]);
}

async function addDatabase(tenant: TenantId | null, at: Lane, cluster: ClusterId = clusters[0]): Promise<DatabaseId> {
  const id = newId('database');
  await catalog.db
    .insertInto('databases')
    .values({
      id,
      cluster_id: cluster,
      state: tenant === null ? 'warm' : 'claimed',
      tenant_id: tenant,
      lanes: JSON.stringify({ tenant: { version: at.version, hash: at.hash } }),
    })
    .execute();
  return id;
}

const register = (lane: Lane, name?: string) => registerRelease(catalog.db, { lane, name }, caller);
const request = (more: Partial<RolloutRequest> = {}): RolloutRequest => ({
  kind: 'migrate',
  lane: 'tenant',
  release: 'latest',
  statement: null,
  selection: {},
  policy: rolloutPolicySchema.parse({}),
  ...more,
});
const plan = (more: Partial<RolloutRequest> = {}) => planRollout(catalog.db, request(more));

describe('a release', () => {
  test('the first of a lane is its head, the same content is the same release, later ones wait', async () => {
    const first = await register(one);
    expect(first).toMatchObject({ isNew: true, isHead: true, release: { version: '1', name: '1' } });
    const both = await Promise.all([register(one), register(one)]);
    expect(both.map((each) => [each.isNew, each.release.id])).toEqual(both.map(() => [false, first.release.id]));
    expect(await register(two)).toMatchObject({ isNew: true, isHead: false });
    expect(await readHeads(catalog.db)).toMatchObject([{ lane: 'tenant', version: '1', releaseId: first.release.id }]);
    expect(await readLane(catalog.db, first.release.id)).toEqual(one);
  });

  test.each([
    ['edited', laneOf(file(1, { hash: 'f'.repeat(64) }), file(2)), '1_step was edited'],
    ['missing', laneOf(file(2), file(3)), '1_step was released before and is missing'],
    ['inserted before', laneOf(file(1), file(2, { name: '1.5_step' }), file(2)), 'comes before 2_step'],
    ['renamed', laneOf(file(1), file(2, { name: '2_other' })), '2_step was renamed'],
  ])('M05 a file that was %s is refused and nothing is made', async (_, lane, why) => {
    await expect(register(lane)).rejects.toMatchObject({
      code: 'release_history_changed',
      message: expect.stringContaining(why),
    });
    const count = await catalog.db.selectFrom('releases').select('id').execute();
    expect(count).toHaveLength(2);
  });

  test('of the folder of a control plane leads only where there is no fleet yet; a newer folder waits for a rollout', async () => {
    const lane = (...files: MigrationFile[]) => ({ ...laneOf(...files), name: 'core' });
    const first = await register(lane(file(1)));
    expect(first).toMatchObject({ isHead: true });
    expect(await register(lane(file(1), file(3)))).toMatchObject({ isNew: true, isHead: false });
    expect(await register(lane(file(1), file(2))).catch((error: unknown) => error)).toMatchObject({
      code: 'release_history_changed',
    });
    expect(await register(lane(file(1)))).toMatchObject({ isNew: false, isHead: true });
    expect((await readHeads(catalog.db))[0]).toMatchObject({ lane: 'core', version: '1' });
  });

  test('is never changed, whoever asks', async () => {
    await expect(catalog.db.updateTable('releases').set({ notes: 'x' }).execute()).rejects.toThrow(/never changed/);
    await expect(catalog.db.deleteFrom('release_files').execute()).rejects.toThrow(/never changed/);
    await expect(register(laneOf(file(1), file(2), file(3)), '1')).rejects.toMatchObject({ code: 'name_taken' });
  });
});

describe('a selection', () => {
  beforeAll(async () => {
    await addTenant('acme', one, { labels: { tier: 'gold' }, cluster: 1 });
    await addTenant('bolt', one, { plan: 'starter', region: 'us' });
    await addTenant('core-test', two, { labels: { tier: 'silver' } });
    await addDatabase(null, one);
  });
  const slugs = async (selection: Selection) =>
    (await selectTargets(catalog.db, 'tenant', selection)).map((target) => target.slug).sort();

  test.each<[string, Selection, (string | null)[]]>([
    ['the whole fleet', {}, ['acme', 'bolt', 'core-test', null]],
    ['labels', { labels: ['tier:gold'] }, ['acme']],
    ['a label of any value', { labels: ['tier'] }, ['acme', 'core-test']],
    ['plans and regions', { plans: ['starter', 'none'], regions: ['us'] }, ['bolt']],
    ['clusters by name', { clusters: ['cluster-1'] }, ['acme']],
    ['slugs', { slugs: ['bolt', 'acme'] }, ['acme', 'bolt']],
    ['a filter', { filter: "plan = 'team' and not slug like '%-test'" }, ['acme']],
    [
      'a filter with or and brackets',
      { filter: "(slug = 'bolt' or label.tier in ('silver')) and region <> 'x'" },
      ['bolt', 'core-test'],
    ],
    ['a filter by version', { filter: "version < '2'" }, ['acme', 'bolt']],
    ['a filter by version, not by its text', { filter: "version < '10'" }, ['acme', 'bolt', 'core-test']],
    ['a filter for what is not there', { filter: 'label.tier is null' }, ['bolt']],
    ['a value that looks like SQL', { filter: "slug = 'x'' or true --'" }, []],
  ])('%s', async (_, selection, expected) => {
    expect(await slugs(selection)).toEqual(expected.sort());
  });

  test.each([
    ['plan = team', 'character 8 ("team")'],
    ["plam = 'x'", 'character 1'],
    ["plan = 'x' and", 'at the end'],
    ["plan ; 'x'", 'character 6: ;'],
    ["(plan = 'x'", 'at the end'],
    ["plan = 'x' 'y'", 'character 12 ("y")'],
    ["slug like 'a\\\\\\'", 'character 11'],
    ["version < '1.2'", 'character 11'],
    ["created_at > 'yesterday'", 'character 14'],
    ["state = 'asleep'", 'character 9'],
  ])('filter %j is refused with its place', async (filter, where) => {
    await expect(slugs({ filter })).rejects.toMatchObject({
      code: 'selection_invalid',
      message: expect.stringContaining(where),
    });
  });

  test('a group that is not there is told', async () => {
    await expect(slugs({ group: 'gone' })).rejects.toMatchObject({ code: 'target_group_not_found' });
  });
});

describe('a plan', () => {
  test('takes those that are behind, canary first, warm ones last, and moves the head only with the whole fleet', async () => {
    const whole = await plan();
    expect(whole).toMatchObject({ movesHead: true, alreadyThere: 1, approvalRequired: false });
    expect(whole.waves.map((wave) => wave.name)).toEqual(['canary', 'first tenth', 'the rest']);
    expect(whole.members.map((member) => member.tenantId === null)).toEqual([false, false, true]);
    expect((await plan({ selection: { slugs: ['bolt'] } })).movesHead).toBe(false);
    expect((await plan({ selection: { slugs: ['core-test'] } })).members).toEqual([]);
  });

  test('a group that wants approval makes every rollout that touches it wait for a second person', async () => {
    const group = {
      name: 'gold',
      selection: JSON.stringify({ labels: ['tier:gold'] }),
      approval: true,
      created_by: 'x',
    };
    await catalog.db.insertInto('target_groups').values(group).execute();
    expect((await plan()).approvalRequired).toBe(true);
    expect((await plan({ selection: { slugs: ['bolt'] } })).approvalRequired).toBe(false);
    const waves = [{ group: 'gold', bake_ms: 0 }];
    const grouped = await plan({ policy: rolloutPolicySchema.parse({ waves }) });
    expect(grouped.waves.map((wave) => wave.name)).toEqual(['gold', 'the rest']);
  });

  test.each<[string, Partial<RolloutRequest>, string]>([
    ['an unknown release', { release: 'nope' }, 'release_not_found'],
    ['a slug that nobody has', { selection: { slugs: ['none'] } }, 'selection_invalid'],
    ['nobody', { selection: { tiers: ['dedicated'] } }, 'selection_empty'],
    ['a wave of two kinds', { policy: rolloutPolicySchema.parse({ waves: [{}] }) }, 'policy_invalid'],
    ['a wave of nobody', { policy: rolloutPolicySchema.parse({ waves: [{ size: '0%' }] }) }, 'policy_invalid'],
    [
      'a window in the past',
      { policy: rolloutPolicySchema.parse({ waves: [{ size: '1', window: { not_after: '2020-01-01T00:00:00Z' } }] }) },
      'policy_invalid',
    ],
    [
      'a budget that can never hold',
      { policy: rolloutPolicySchema.parse({ budget: { lock_wait_ms: 0 } }) },
      'policy_invalid',
    ],
    [
      'a rule that can never be judged',
      { kind: 'exec', statement: 'select 1', policy: rolloutPolicySchema.parse({ budget: { error_rate: 0.1 } }) },
      'policy_invalid',
    ],
    ['an exec that cannot run in a transaction', { kind: 'exec', statement: 'vacuum' }, 'statement_refused'],
    ['a probe that writes', { policy: rolloutPolicySchema.parse({ probe: 'delete from x' }) }, 'policy_invalid'],
    ['a probe that does not parse', { policy: rolloutPolicySchema.parse({ probe: 'select (' }) }, 'policy_invalid'],
    ['an exec of nothing', { kind: 'exec', statement: ' ' }, 'statement_refused'],
    ['an exec that changes roles', { kind: 'exec', statement: 'create role x' }, 'statement_refused'],
    ['an exec that commits', { kind: 'exec', statement: 'select 1; commit' }, 'statement_refused'],
  ])('%s is refused', async (_, more, code) => {
    await expect(plan(more)).rejects.toMatchObject({ code });
  });

  test('M11 a contract waits until every database and every live runtime is ready for it', async () => {
    const three = laneOf(file(1), file(2), file(3, { contractRequires: '2' }));
    await register(three);
    await expect(plan()).rejects.toMatchObject({ code: 'contract_refused', message: expect.stringMatching(/2 |3 /) });
    const lanes = JSON.stringify({ tenant: { version: two.version, hash: two.hash } });
    await catalog.db.updateTable('databases').set({ lanes }).execute();
    const runtime = {
      id: newId('runtimeInstance'),
      host: 'old',
      pid: 7,
      version: '1',
      started_at: new Date(),
      heartbeat_at: new Date(),
    };
    await catalog.db
      .insertInto('runtime_instances')
      .values({ ...runtime, stats: JSON.stringify({ schema_range: { min: null, max: '2' } }) })
      .execute();
    await expect(plan()).rejects.toMatchObject({ code: 'contract_refused', message: expect.stringContaining('old/7') });
    await catalog.db
      .updateTable('runtime_instances')
      .set({ heartbeat_at: new Date(0) })
      .execute();
    expect((await plan()).members).toHaveLength(4);
  });

  test('M14 a rollback is refused where a file declares no way back', async () => {
    const four = laneOf(file(1), file(2), file(3, { contractRequires: '2' }), file(4, { down: null }));
    await register(four);
    // Nobody holds the fourth yet: the way back of the second is declared.
    expect((await plan({ kind: 'rollback', release: '1' })).members).toHaveLength(4);
    await addTenant('ahead', four);
    const refused = { code: 'not_reversible', message: expect.stringMatching(/4_step.*ahead/) };
    await expect(plan({ kind: 'rollback', release: '1' })).rejects.toMatchObject(refused);
    await expect(plan({ release: '2', selection: { slugs: ['ahead'] } })).rejects.toMatchObject({
      code: 'release_behind',
      message: expect.stringContaining('use a rollback'),
    });
    expect((await plan({ kind: 'rollback', release: '4' })).members).toEqual([]);
  });

  test('every refusal is told, not only the first', async () => {
    const window = { not_after: '2020-01-01T00:00:00Z' };
    const policy = rolloutPolicySchema.parse({ waves: [{ size: '0' }, { size: '5', window }], probe: 'select (' });
    const { refusals } = await lookAtPlan(catalog.db, request({ policy, release: 'nope' }));
    expect(refusals.map(({ code, message }) => [code, message.split(':')[0]])).toEqual([
      ['policy_invalid', 'waves/0'],
      ['policy_invalid', 'waves/1'],
      ['policy_invalid', 'probe'],
      ['release_not_found', 'The lane tenant has no release nope.'],
    ]);
  });

  test('M05 a database that holds what no release begins with is not touched', async () => {
    await addTenant('stray', laneOf(file(9)));
    await expect(plan()).rejects.toMatchObject({
      code: 'release_history_changed',
      message: expect.stringContaining('stray'),
    });
  });
});
