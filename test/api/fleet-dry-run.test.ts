// A release tried before it is begun: locks and failures by file at every version at which tenants stand, and nothing left behind.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import type { DryRunLineView } from '../../control-plane/client.ts';
import { runFsck } from '../../control-plane/fsck/run-fsck.ts';
import { registerRelease } from '../../control-plane/rollouts/start/register-release.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { appliedIn, createFleetTenants, type FleetTenant, laneWith } from '../support/fleet.ts';
import { laneOfTexts, migrateOptions } from '../support/lanes.ts';
import { startCli } from '../support/run-cli.ts';
import { waitUntil } from '../support/wait-until.ts';

let plane: ControlPlane;
let tenants: FleetTenant[];
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-dry-run-'));
const caller = systemCaller('test');
const first = 'alter table customers add column vip boolean';
const second = 'create table gifts (id bigint primary key, customer_id bigint not null references customers (id))';

beforeAll(async () => {
  plane = await startControlPlane();
  const { installation } = plane;
  for (const lane of installation.lanes) await registerRelease(installation.catalog.db, { lane }, caller);
  tenants = await createFleetTenants(installation, 3);
});
afterAll(async () => {
  await plane.close();
  fs.rmSync(home, { recursive: true });
});

async function release(name: string, ...statements: string[]) {
  const lane = await laneWith(...statements);
  await registerRelease(plane.installation.catalog.db, { lane, name }, caller);
  return lane;
}
const dryRun = (body: object): Promise<DryRunLineView[]> => Array.fromAsync(plane.client('dba').fleet.dryRun(body));
const counts = async () => {
  const { db } = plane.installation.catalog;
  const rollouts = await db.selectFrom('rollouts').select('id').execute();
  const scratch = await db.selectFrom('databases').select('state').where('scratch_until', 'is not', null).execute();
  return { rollouts: rollouts.length, scratch: scratch.filter(({ state }) => state !== 'dropped').length };
};
const freehold = (...args: string[]) =>
  startCli(home, args, { env: { FREEHOLD_URL: plane.url, FREEHOLD_API_KEY: plane.keys.dba.text } }).ended;

test('each file with its locks, the strongest on each relation that was there; nothing is begun and nothing stays', async () => {
  await release('gifts', first, second);
  const lines = await dryRun({ release: 'gifts' });
  expect(lines[0]).toMatchObject({ type: 'begin', release: 'gifts', there: 0, starts: [{ databases: 3 }] });
  const files = lines.filter((line) => line.type === 'file');
  expect(files.map(({ locks }) => locks)).toEqual([
    [expect.objectContaining({ relation: 'public.customers', mode: 'AccessExclusiveLock' })],
    // The new table is nobody's yet; what it refers to is locked against writers, and its key is read.
    expect.arrayContaining([expect.objectContaining({ relation: 'public.customers', mode: 'ShareRowExclusiveLock' })]),
  ]);
  expect(lines.at(-1)).toMatchObject({ type: 'summary', starts: 1, passed: 1, failed: 0 });
  expect(JSON.stringify(lines)).not.toContain('rehearsal');
  await waitUntil(async () => (await counts()).scratch === 0, { what: 'the scratch database to go' });
  expect((await counts()).rollouts).toBe(0);
  for (const tenant of tenants) expect((await appliedIn(plane.installation, tenant)).names).toHaveLength(6);
  expect((await runFsck(plane.installation.deps)).findings).toEqual([]);
  const [entry] = (await plane.client('owner').audit.page({ action: 'fleet.dry_run' })).data;
  expect(entry).toMatchObject({ actor: plane.keys.dba.id });
});

test('tenants at two versions are two runs, each of the files that it misses', async () => {
  const { installation } = plane;
  const [one] = tenants as [FleetTenant];
  const lane = await laneWith(first);
  const { lanes } = await installation.connections.databases.migrate(one.databaseId, lane, migrateOptions({}));
  const before = await installation.catalog.db
    .selectFrom('databases')
    .select('lanes')
    .where('id', '=', one.databaseId)
    .executeTakeFirstOrThrow();
  await installation.catalog.db
    .updateTable('databases')
    .set({ lanes: JSON.stringify({ ...before.lanes, ...lanes }) })
    .where('id', '=', one.databaseId)
    .execute();
  const lines = await dryRun({ release: 'gifts' });
  const of = (count: number) =>
    lines[0]?.type === 'begin' && lines[0].starts.find(({ databases }) => databases === count)?.from_version;
  const files = lines.filter((line) => line.type === 'file').map(({ from_version }) => from_version);
  expect(files.filter((version) => version === of(1))).toHaveLength(1);
  expect(files.filter((version) => version === of(2))).toHaveLength(2);
  expect(lines.at(-1)).toMatchObject({ starts: 2, passed: 2 });
});

test('a file that fails is told by line and SQLSTATE; one outside of a transaction has no locks to tell', async () => {
  const outside = '-- freehold: no-transaction\ncreate index concurrently customers_vip on customers (vip)';
  const twice = 'select 1;\nalter table gifts add constraint twice primary key (id)';
  const lane = await laneOfTexts([outside, twice], await laneWith(first, second));
  await registerRelease(plane.installation.catalog.db, { lane, name: 'broken' }, caller);
  const lines = await dryRun({ release: 'broken', selection: { slugs: [tenants[1]?.slug] } });
  const failed = lines.find((line) => line.type === 'failed');
  expect(failed).toMatchObject({ error: { sqlstate: '42P16', line: 2, state_of_database: 'unchanged' } });
  const locks = lines.filter((line) => line.type === 'file').map((line) => line.locks);
  expect(locks).toEqual([expect.any(Array), expect.any(Array), null]);
  expect(lines.at(-1)).toMatchObject({ starts: 1, passed: 0, failed: 1 });
});

test.each([
  [{ release: 'never-made' }, 'release_not_found'],
  [{ selection: { slugs: ['nobody'] } }, 'selection_invalid'],
  [{ lane: 'plugin' }, 'invalid_body'],
  [{ begin: true }, 'invalid_body'],
])('%j is refused as %s', async (body, code) => {
  await expect(dryRun(body)).rejects.toMatchObject({ code });
});

test('on a terminal: exit code 0 with the locks, 1 with what failed; migrate --dry-run begins nothing', async () => {
  const good = await freehold('fleet', 'dry-run', '--to', 'gifts');
  expect(good).toMatchObject({ code: 0 });
  expect(good.stdout).toContain('AccessExclusiveLock on public.customers');
  expect(good.stdout).toContain('2 of 2 versions passed');
  const bad = await freehold('fleet', 'migrate', '--dry-run', '--to', 'broken');
  expect(bad).toMatchObject({ code: 1 });
  expect(bad.stdout).toContain('[42P16]');
  expect((await freehold('fleet', 'dry-run', '--to', 'never-made')).code).toBe(1);
  expect((await counts()).rollouts).toBe(0);
});

test('a look that takes longer than the lock timeout of the file does not fail it', async () => {
  const { connections } = plane.installation;
  const [, , last] = tenants as [FleetTenant, FleetTenant, FleetTenant];
  const admin = connections.clusters.of(plane.installation.clusters[last.cluster].id);
  const lockTimeoutMs = 10;
  const slow = async () => {
    const held = await admin.locksAtBarrier(last.databaseId);
    if (held !== undefined) await new Promise((resolve) => setTimeout(resolve, 20 * lockTimeoutMs));
    return held;
  };
  const lane = await laneWith('alter table customers add column late boolean');
  const options = migrateOptions({ lockTimeoutMs });
  const { locks } = await connections.databases.rehearse(last.databaseId, lane, options, slow);
  expect(locks).toMatchObject([{ relation: 'public.customers', mode: 'AccessExclusiveLock' }]);
});
