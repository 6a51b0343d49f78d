// P15 (with P08, P09, P14, D08): every finding that fsck's table names is seeded by hand on real clusters and a real catalog;
// fsck names each one, with the right code, and nothing else; before and after it is clean.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import { type FindingCode, findingSpecs } from '../../control-plane/fsck/findings.ts';
import { checkInside } from '../../control-plane/fsck/inside.ts';
import { runFsck } from '../../control-plane/fsck/run-fsck.ts';
import { startDeleteTenant } from '../../control-plane/operations/start/start-delete-tenant.ts';
import { startProvisionTenant } from '../../control-plane/operations/start/start-provision-tenant.ts';
import { startPurgeTenant } from '../../control-plane/operations/start/start-purge-tenant.ts';
import { startResumeTenant } from '../../control-plane/operations/start/start-resume-tenant.ts';
import { startSuspendTenant } from '../../control-plane/operations/start/start-suspend-tenant.ts';
import { damages } from '../support/fsck-damages.ts';
import { type FsckHouse, openFsckHouse } from '../support/fsck-house.ts';

let house: FsckHouse;
beforeAll(async () => {
  house = await openFsckHouse();
});
afterAll(() => house?.close());

const caller = systemCaller('test');
const fsck = (options = {}) => runFsck({ ...house.installation.deps, ...options });

test('P15 an undamaged installation is clean, and everything in it was looked at', async () => {
  const report = await fsck();
  expect(report.findings).toEqual([]);
  expect(report).toMatchObject({ clean: true, inProgress: [] });
  // Two active tenants and two warm databases; the suspended one is closed and is counted as not looked into.
  expect(report.checked).toMatchObject({ clusters: 2, routes: 2, looked_into: 4, not_looked_into: 1 });
  expect(report.checked.secrets).toBe(5 * 4 + 2);
});

describe('P15 every kind of damage is named, by its code and alone', () => {
  test.each(Object.keys(findingSpecs) as FindingCode[])('%s', async (code) => {
    const { damage, repair, object } = damages[code](house);
    await damage();
    try {
      const report = await fsck();
      expect(new Set(report.findings.map((each) => each.code))).toEqual(new Set([code]));
      for (const each of report.findings) expect(each.object).toMatch(object);
      expect(report.clean).toBe(false);
    } finally {
      await repair();
    }
  });

  test('and after all repairs the installation is clean', async () => {
    expect((await fsck()).findings).toEqual([]);
  });
});

test('each database alone is as it should be: nothing is excused by all being wrong', async () => {
  for (const row of [house.alpha, house.beta, house.warm, house.warmTwo]) {
    const inspection = await house.installation.connections.databases.inspect(row.id);
    expect(checkInside(row, inspection).findings).toEqual([]);
    expect(inspection.objects.length).toBeGreaterThan(15);
  }
});

test('what a migration does to every database is its own business', async () => {
  const { alpha, beta, warm, warmTwo } = house;
  const all = [alpha, beta, warm, warmTwo];
  for (const row of all)
    await house.inside(row, `revoke update on public.members from ${row.name}_app_a, ${row.name}_app_b`);
  expect((await fsck()).findings).toEqual([]);
  for (const row of all)
    await house.inside(row, `grant update on public.members to ${row.name}_app_a, ${row.name}_app_b`);
});

test('a scope without depth looks into no database and says so', async () => {
  const report = await runFsck(house.installation.deps, { deep: false });
  expect(report.checked).toMatchObject({ looked_into: 0, not_looked_into: 5 });
});

test('what an operation has half done is in progress, not a finding', async () => {
  const { deps, run } = house.installation;
  const steps: string[] = [];
  // Two of them take the warm databases, the third makes its own.
  for (const slug of ['half-one', 'half-two', 'half-three']) {
    const { operation } = await startProvisionTenant(deps.catalog, newTenant(slug), caller);
    const observe = async ({ step, moment }: { step: string; moment: string }) => {
      const { findings, inProgress } = await fsck();
      expect(findings, `${moment} ${step}`).toEqual([]);
      steps.push(`${moment} ${step}`);
      // The last step ends the operation in its own transaction.
      const ended = step === 'activate' && moment === 'after';
      expect(inProgress.map((each) => each.operationId)).toEqual(ended ? [] : [operation.id]);
    };
    expect((await run(operation.id, { observe })).outcome).toBe('succeeded');
  }
  expect(steps).toContain('after create-database');
});

test('P16 a system at work gives no false alarm', { timeout: 60_000 }, async () => {
  let working = true;
  const reports: string[] = [];
  const looking = (async () => {
    let looks = 0;
    while (working) {
      for (const each of (await fsck()).findings) reports.push(`${each.code} ${each.object} ${each.message}`);
      looks += 1;
    }
    return looks;
  })();
  await Promise.all([1, 2, 3].map((worker) => live(`worker-${worker}`)));
  working = false;
  expect(await looking).toBeGreaterThan(3);
  expect(reports).toEqual([]);
  expect((await fsck()).findings).toEqual([]);
});

/** The life of a tenant, as fast as it goes. */
async function live(slug: string): Promise<void> {
  const { deps, run } = house.installation;
  const { tenant, operation } = await startProvisionTenant(deps.catalog, newTenant(slug), caller);
  await finish(operation.id);
  for (let turn = 0; turn < 3; turn += 1) {
    await finish((await startSuspendTenant(deps.catalog, tenant.id, caller)).operation.id);
    await finish((await startResumeTenant(deps.catalog, tenant.id, caller)).operation.id);
  }
  await finish((await startDeleteTenant(deps.catalog, tenant.id, caller, { graceMs: 0 })).operation.id);
  await finish((await startPurgeTenant(deps.catalog, tenant.id, caller, { force: true })).operation.id);

  async function finish(id: Parameters<typeof run>[0]): Promise<void> {
    expect((await run(id)).outcome).toBe('succeeded');
  }
}

function newTenant(slug: string) {
  return { slug, name: slug, region: 'here', tier: 'shared' as const, planId: 'team', labels: {} };
}
