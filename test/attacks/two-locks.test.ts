// Each lock between tenants taken away in turn, and the whole list of attacks tried against what is left: the right to connect,
// pg_hba, the check of the epoch, the identity handshake. That the lock is really gone is seen each time.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '../../catalog/ids.ts';
import type { AttackReport } from '../../control-plane/attack/report.ts';
import type { Client } from '../../control-plane/client.ts';
import { askCanary, type CanaryTenant, createCanaryTenants } from '../support/canary-fleet.ts';
import { type Mutation, mutateProgram } from '../support/mutated-program.ts';
import { openProcessHouse, type ProcessHouse, registerClusters, untilWarm } from '../support/process-house.ts';
import { type ServerProcess, startRuntimeProcess, untilReady } from '../support/processes.ts';
import { startCli } from '../support/run-cli.ts';
import { superuserSql } from '../support/superuser-sql.ts';

let house: ProcessHouse;
let plane: ServerProcess;
let client: Client;
let home: string;
let tenant: CanaryTenant;

beforeAll(async () => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-locks-'));
  house = await openProcessHouse({ regions: ['eu'] });
  plane = await house.startControlPlane();
  client = house.client(plane);
  await registerClusters(house, client, { warm_min: 2, warm_max: 3 });
  await untilWarm(client, 2);
  tenant = (await createCanaryTenants(house, client, 1, ['eu']))[0] as CanaryTenant;
});
afterAll(async () => {
  await house?.close();
  fs.rmSync(home, { recursive: true, force: true });
});

/** Cases that got through, with new tenants made for the attack. */
async function attack(runtime: ServerProcess): Promise<string[]> {
  const env = { FREEHOLD_URL: plane.url, FREEHOLD_API_KEY: house.ownerKey };
  const args = ['attack', '--runtime', runtime.url, '--requests', '100', '--json'];
  const { stdout, stderr } = await startCli(home, args, { env }).ended;
  expect(stdout, stderr).not.toBe('');
  const { attempts } = JSON.parse(stdout) as AttackReport;
  expect(attempts.length).toBeGreaterThan(110);
  return attempts.filter(({ verdict }) => verdict !== 'held').map((each) => `${each.case} ${each.got}`);
}

async function withRuntime<T>(mutation: Mutation | undefined, act: (runtime: ServerProcess) => Promise<T>): Promise<T> {
  const program = mutation === undefined ? undefined : mutateProgram(mutation);
  const runtime = await startRuntimeProcess(house.runtimeEnv, program?.folder);
  try {
    await untilReady(runtime);
    return await act(runtime);
  } finally {
    await runtime.kill();
    program?.remove();
  }
}

const asSuperuser = (text: string) =>
  superuserSql<{ value: string }>({ ...tenant.address, database: 'postgres' }, text);

test('with CONNECT granted to everybody on every database', async () => {
  // The stock too, which is what the attack gets.
  const connectable = () => asSuperuser('select datname as value from pg_database where datallowconn');
  const databases = await connectable();
  for (const { value } of databases) await asSuperuser(`grant connect on database "${value}" to public`);
  const [open] = await asSuperuser(
    `select has_database_privilege('${tenant.address.database}_ro', 'postgres', 'connect')::text as value`,
  );
  expect(open?.value).toBe('true');
  expect(await withRuntime(undefined, attack)).toEqual([]);
  // Those of the attack are gone by now.
  for (const { value } of await connectable()) await asSuperuser(`revoke connect on database "${value}" from public`);
});

test('with pg_hba open to everybody', async () => {
  const [file] = await asSuperuser(`select current_setting('hba_file') as value`);
  const locked = fs.readFileSync(file?.value ?? '', 'utf8');
  const reload = async (text: string) => {
    fs.writeFileSync(file?.value ?? '', text);
    await asSuperuser('select pg_reload_conf()::text as value');
  };
  await reload('host all all 127.0.0.1/32 scram-sha-256\n');
  try {
    const rules = await asSuperuser('select count(*)::text as value from pg_hba_file_rules');
    expect(rules[0]?.value).toBe('1');
    expect(await withRuntime(undefined, attack)).toEqual([]);
  } finally {
    await reload(locked);
  }
});

test('J12 without the check of the epoch: revoked tokens of the tenant itself live on, and nobody else’s data is reached', async () => {
  const mutation = {
    file: 'tenant-runtime/resolve-tenant.ts',
    from: 'if (claims.ep !== route.epoch) throw',
    to: 'if (Math.random() > 2) throw',
  };
  // What the lock is for, seen: and it is all that is seen.
  const broken = await withRuntime(mutation, attack);
  expect(broken.map((each) => each.split(' ').slice(0, 2).join(' '))).toEqual(['J12 200']);
});

test('N06 without the identity handshake', async () => {
  const mutation = {
    file: 'tenant-runtime/check-identity.ts',
    from: 'if (!ours) throw',
    to: 'if (Math.random() > 2) throw',
  };
  const lie = (id: string) => superuserSql(tenant.address, `update freehold.identity set tenant_id = '${id}'`);
  const asked = async (runtime: ServerProcess) => (await askCanary(runtime.url, tenant)).status;
  await lie(newId('tenant'));
  expect(await withRuntime(undefined, asked)).toBe(503);
  const broken = await withRuntime(mutation, async (runtime) => {
    expect(await asked(runtime)).toBe(200);
    return attack(runtime);
  });
  await lie(tenant.id);
  expect(broken).toEqual([]);
});
