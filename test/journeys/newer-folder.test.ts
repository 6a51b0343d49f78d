// A control plane that is started with a newer folder, in real processes: the folder is released with what the linter found, the fleet
// and new tenants stay where they are until a rollout, and a folder that changes what was released stops the start.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openProcessHouse, type ProcessHouse, registerClusters } from '../support/process-house.ts';
import type { ServerProcess } from '../support/processes.ts';
import { projectRoot } from '../support/source-files.ts';

let house: ProcessHouse;
let plane: ServerProcess;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-folder-'));
const shipped = path.join(projectRoot, 'migrations/tenant');
const env = { FREEHOLD_TENANT_MIGRATIONS: folder };

beforeAll(async () => {
  for (const file of fs.readdirSync(shipped).filter((each) => each !== 'schema.sql'))
    fs.copyFileSync(path.join(shipped, file), path.join(folder, file));
  house = await openProcessHouse({ regions: ['eu'] });
  plane = await house.startControlPlane(env);
  await registerClusters(house, house.client(plane));
}, 120_000);
afterAll(async () => {
  await house?.close();
  fs.rmSync(folder, { recursive: true });
});

const versionOf = async (slug: string): Promise<string | undefined> => {
  const client = house.client(plane);
  const { tenant } = await client.tenants.create({ slug, name: slug, region: 'eu', plan: 'team' }, { waitSec: 60 });
  const [row] = await house.inCatalog<{ version: string }>(
    "select lanes -> 'tenant' ->> 'version' as version from databases where tenant_id = $1",
    [tenant.id],
  );
  return row?.version;
};

test('M06 new tenants do not run ahead of a fleet that was not rolled out', { timeout: 120_000 }, async () => {
  const before = await versionOf('before');
  fs.writeFileSync(
    path.join(folder, '20991231000000000_newer.sql'),
    'create table newer (id bigint);\ntruncate tasks;',
  );
  await plane.stop();
  plane = await house.startControlPlane(env);
  const client = house.client(plane);
  const release = await client.releases.get('tenant/latest');
  expect(release).toMatchObject({ version: '20991231000000000', is_head: false });
  expect(release.findings.map((finding) => finding.rule)).toEqual(['ban-truncate']);
  expect(plane.output()).toContain('the folder breaks rules of the linter');
  // More than the older process can have left in stock.
  for (const slug of ['after-1', 'after-2', 'after-3', 'after-4'])
    expect([slug, await versionOf(slug)]).toEqual([slug, before]);
  expect(before).toMatch(/^2026/);
});

test('M05 a folder that edits a released file stops the start by name', { timeout: 120_000 }, async () => {
  const [first] = fs.readdirSync(folder).sort() as [string];
  fs.appendFileSync(path.join(folder, first), '-- edited\n');
  await expect(house.startControlPlane(env)).rejects.toThrow(/release_history_changed|was edited/);
});
