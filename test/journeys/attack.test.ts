// `freehold attack` against a whole installation of real processes: every lock holds, and one that is opened on purpose is told.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AttackReport } from '../../control-plane/attack/report.ts';
import type { Client } from '../../control-plane/client.ts';
import { openProcessHouse, type ProcessHouse, registerClusters, untilWarm } from '../support/process-house.ts';
import type { ServerProcess } from '../support/processes.ts';
import { startCli } from '../support/run-cli.ts';
import { superuserSql } from '../support/superuser-sql.ts';

let house: ProcessHouse;
let plane: ServerProcess;
let runtime: ServerProcess;
let client: Client;
let home: string;

beforeAll(async () => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-attack-'));
  house = await openProcessHouse({ regions: ['eu'] });
  [plane, runtime] = await Promise.all([house.startControlPlane(), house.startRuntime()]);
  client = house.client(plane);
  await registerClusters(house, client, { warm_min: 2, warm_max: 3 });
  await untilWarm(client, 2);
});
afterAll(async () => {
  await house.close();
  fs.rmSync(home, { recursive: true, force: true });
});

async function attack(...args: string[]) {
  const env = { FREEHOLD_URL: plane.url, FREEHOLD_API_KEY: house.ownerKey };
  return await startCli(home, ['attack', '--runtime', runtime.url, '--requests', '200', ...args], { env }).ended;
}

test('J01 to J15, D03 to D18, N03, N06, A05, R07: the whole list holds, is filed, and leaves no tenant behind', async () => {
  const file = path.join(home, 'report.md');
  const { code, stdout, stderr } = await attack('--json', '--report', file);
  const report = JSON.parse(stdout) as AttackReport;
  expect(report.attempts.filter((attempt) => attempt.verdict !== 'held')).toEqual([]);
  expect(report.counts.held).toBeGreaterThan(110);
  expect({ code, stderr: stderr.includes('could not be removed') }).toEqual({ code: 0, stderr: false });
  expect(fs.readFileSync(file, 'utf8')).toContain(`${report.counts.held} held, 0 broken, 0 not tried`);
  const left = await Array.fromAsync(client.tenants.list());
  expect(left.filter((tenant) => tenant.state !== 'purged').map((tenant) => tenant.slug)).toEqual([]);
});

test('a lock that is open is told by its case, with exit code 5; named tenants are not suspended', async () => {
  for (const slug of ['acme', 'globex'])
    await client.tenants.create({ slug, name: slug, region: 'eu', plan: 'team' }, { waitSec: 30 });
  const acme = await client.tenants.get('acme');
  const database = `t_${(acme.database?.id ?? '').slice(4).toLowerCase()}`;
  const address = { ...(house.tenantServers[0]?.server.address as never as object), database } as never;
  await superuserSql(
    address,
    'grant select on pg_stat_activity to public; grant execute on function pg_stat_get_activity(int) to public',
  );
  const { code, stdout } = await attack('--tenant', 'acme', '--victim', 'globex', '--only', 'database', 'replay');
  expect(code).toBe(5);
  const broken = stdout.split('\n').filter((line) => line.trimEnd().endsWith(' broken'));
  expect(broken.map((line) => line.split(/\s{2,}/).slice(0, 3))).toEqual([['D03', 'database', 'sessions of others']]);
  expect((await client.tenants.get('acme')).state).toBe('active');
});

test('what cannot be meant is refused before anything is sent', async () => {
  expect((await attack('--tenant', 'acme')).code).toBe(2);
  expect((await attack('--tenant', 'acme', '--victim', 'acme')).code).toBe(2);
});
