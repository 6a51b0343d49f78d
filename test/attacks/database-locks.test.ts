// Each of the two locks between tenants, with the other one taken away: the right to connect, and pg_hba's samerole.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import { tenantHba } from '../../control-plane/postgres/tenant-hba.ts';
import { type PrivateCluster, startPrivateCluster } from '../support/clusters.ts';
import { loginStateOf } from '../support/sqlstate.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { installTestCluster, openTenantCluster, type TenantCluster } from '../support/tenant-cluster.ts';

const allLogins = ['mig', 'app_a', 'app_b', 'ro'] as const;
const refusedByRight = '42501';
const refusedByHba = '28000';

let server: PrivateCluster;
let cluster: TenantCluster;
let mine: DatabaseId;
let theirs: DatabaseId;

beforeAll(async () => {
  server = await startPrivateCluster({ hba: tenantHba({ networks: ['127.0.0.1/32'] }) });
  cluster = await openTenantCluster(server.address);
  mine = await cluster.makeDatabase();
  theirs = await cluster.makeDatabase();
});

afterAll(async () => {
  await cluster?.close();
  await server?.remove();
});

// First: the other one grants CONNECT to everybody and takes it away again.
test('D01 the right to connect alone keeps a login out, with pg_hba wide open', async () => {
  const others = [namesOf(theirs).database, 'postgres', 'template1', 'freehold_admin'];
  const lines = await superuserSql<{ hba_file: string }>(
    server.address,
    `select current_setting('hba_file') as hba_file`,
  );
  const file = lines[0]?.hba_file ?? '';
  const fs = await import('node:fs');
  const locked = fs.readFileSync(file, 'utf8');
  const reload = async (text: string) => {
    fs.writeFileSync(file, text);
    await superuserSql(server.address, 'select pg_reload_conf()');
  };
  await reload('host all all 127.0.0.1/32 scram-sha-256\n');
  try {
    const first = { ...cluster.addressOf(mine, 'app_a'), database: 'postgres' };
    await expect.poll(() => loginStateOf(first), { timeout: 5_000 }).toBe(refusedByRight); // the reload has arrived
    for (const login of allLogins) {
      for (const database of others) {
        const state = await loginStateOf({ ...cluster.addressOf(mine, login), database });
        expect([login, database, state]).toEqual([login, database, refusedByRight]);
      }
    }
  } finally {
    await reload(locked);
  }
});

test('D01 pg_hba alone keeps a login out of every database but its own, with CONNECT granted to everybody', async () => {
  const others = [namesOf(theirs).database, 'postgres', 'template1', 'freehold_admin'];
  for (const database of others) await superuserSql(server.address, `grant connect on database ${database} to public`);
  try {
    for (const login of allLogins) {
      for (const database of others) {
        const state = await loginStateOf({ ...cluster.addressOf(mine, login), database });
        expect([login, database, state]).toEqual([login, database, refusedByHba]);
      }
      expect(await loginStateOf(cluster.addressOf(mine, login))).toBe('00000');
    }
  } finally {
    for (const database of others)
      await superuserSql(server.address, `revoke connect on database ${database} from public`);
  }
});

test('the installation sees that the second lock is there', async () => {
  const { capabilities, problems } = await installTestCluster(server.address);
  expect(capabilities.hbaSameRole).toBe(true);
  expect(problems).toEqual([]);
});

test('D01 the provisioner and the superuser still get in', async () => {
  expect(await loginStateOf(cluster.provisioner)).toBe('00000');
  expect(await loginStateOf({ ...server.address, database: namesOf(theirs).database })).toBe('00000');
  expect(await loginStateOf({ ...cluster.provisioner, database: namesOf(theirs).database })).toBe(refusedByRight);
  expect(await loginStateOf({ ...cluster.provisioner, database: 'postgres' })).toBe(refusedByRight);
});
