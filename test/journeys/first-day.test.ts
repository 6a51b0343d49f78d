// The first day of an installation, by its real processes and ports: from empty servers to a tenant that is served, suspended,
// resumed, deleted, undeleted and purged. The same on both queues; fsck is clean at the end.
import { neon, neonConfig } from '@neondatabase/serverless';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ApiProblem, type Client, type Tenant } from '../../control-plane/client.ts';
import { describeWith } from '../support/components.ts';
import { openProcessHouse, type ProcessHouse, registerClusters, untilWarm } from '../support/process-house.ts';
import type { ServerProcess } from '../support/processes.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

const nowhere = 'postgres://nobody:ignored@elsewhere.example/nothing';

describe('first day, queue on PostgreSQL', () => firstDay());

describeWith('redis-server', 'first day, queue on Redis', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.remove());
  firstDay(() => redis.url);
});

function firstDay(queueUrl?: () => string): void {
  let house: ProcessHouse;
  let runtime: ServerProcess;
  let client: Client;
  let acme: Tenant;
  let token: string;

  beforeAll(async () => {
    house = await openProcessHouse(queueUrl === undefined ? {} : { queueUrl: queueUrl() });
    // Together: the runtime finds an empty catalog, and becomes ready when the control plane has made its schema.
    const [controlPlane, started] = await Promise.all([house.startControlPlane(), house.startRuntime()]);
    runtime = started;
    client = house.client(controlPlane);
    neonConfig.fetchEndpoint = `${runtime.url}/v1/sql`;
    neonConfig.disableWarningInBrowsers = true;
  });
  afterAll(() => house.close());

  const mint = async (scopes: ('sql' | 'sql:read' | 'tenant:read')[] = ['sql', 'tenant:read']): Promise<string> =>
    (await client.tenants.mintToken(acme.id, { scopes, subject: 'first-day' })).token;
  const ask = (path: string) => fetch(`${runtime.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
  /** By the public client. It demands a connection string; the tenant comes from the token alone. */
  const query = (text: string) => neon(nowhere, { authToken: () => token }).query(text);
  const sessionsOf = async (tenant: Tenant): Promise<number> => {
    const counts = await Promise.all(
      house.tenantServers.map(({ server }) =>
        superuserSql<{ n: number }>(
          server.address,
          `select count(*)::int as n from pg_stat_activity where datname = $1`,
          [`t_${(tenant.database?.id ?? '').slice(4).toLowerCase()}`],
        ),
      ),
    );
    return counts.reduce((sum, [row]) => sum + (row?.n ?? 0), 0);
  };

  test('clusters are registered and get warm stock', async () => {
    await registerClusters(house, client);
    await untilWarm(client);
    const clusters = await Array.fromAsync(client.clusters.list());
    expect(clusters.map(({ name, health }) => `${name} ${health.state}`).sort()).toEqual([
      'local-eu healthy',
      'local-us healthy',
    ]);
  });

  test('a tenant is ready in the answer that created it, in its region', async () => {
    const created = await client.tenants.create(
      { slug: 'acme', name: 'Acme Ltd', region: 'us', plan: 'team' },
      { waitSec: 20 },
    );
    expect(created.done).toBe(true);
    expect(created.tenant.state).toBe('active');
    acme = created.tenant;
    const cluster = await client.clusters.get(acme.database?.cluster_id ?? '');
    expect(cluster.region).toBe('us');
    expect((await Array.fromAsync(client.tenants.list())).map((tenant) => tenant.slug)).toEqual(['acme']);
  });

  test('its token reads and writes its database, the sample product included', async () => {
    token = await mint();
    expect(await (await ask('/v1/tenant')).json()).toMatchObject({ tenant_id: acme.id });
    expect(await query('select count(*)::int as n from projects')).toEqual([{ n: 0 }]);
    await query(`insert into customers (name, email, country) values ('Wile E. Coyote', 'wile@acme.example', 'US')`);
    expect(await query('select name from customers')).toEqual([{ name: 'Wile E. Coyote' }]);
  });

  test('suspended: 403 at the runtime, no session, no new token', async () => {
    const suspended = await client.tenants.suspend(acme.id, { waitSec: 20 });
    expect(suspended.tenant.state).toBe('suspended');
    await waitUntil(async () => (await ask('/v1/tenant')).status === 403, { what: 'the refusal', timeoutMs: 2_000 });
    expect(await sessionsOf(acme)).toBe(0);
    await expect(mint()).rejects.toMatchObject({ code: 'wrong_state', status: 409 });
  });

  test('resumed: the old token stays useless, a new one finds the data', async () => {
    const resumed = await client.tenants.resume(acme.id, { waitSec: 20 });
    expect(resumed.tenant.state).toBe('active');
    await waitUntil(async () => (await ask('/v1/tenant')).status === 401, {
      what: 'the old token refused by its epoch',
    });
    token = await mint();
    expect(await query('select name from customers')).toEqual([{ name: 'Wile E. Coyote' }]);
  });

  test('deleted and undeleted within the grace: the data is there', async () => {
    expect((await client.tenants.delete(acme.id, { waitSec: 20 })).tenant.state).toBe('deleted');
    await waitUntil(async () => (await ask('/v1/tenant')).status === 403, { what: 'the refusal', timeoutMs: 2_000 });
    expect((await client.tenants.undelete(acme.id, { waitSec: 20 })).tenant.state).toBe('active');
    token = await mint();
    expect(await query('select name from customers')).toEqual([{ name: 'Wile E. Coyote' }]);
  });

  test('purged by an owner: gone for good, its slug never handed out again', async () => {
    expect((await client.tenants.delete(acme.id, { waitSec: 20 })).tenant.state).toBe('deleted');
    const purged = await client.tenants.purge(acme.id, { waitSec: 20 });
    expect(purged.tenant.state).toBe('purged');
    expect(await sessionsOf(acme)).toBe(0);
    const again = client.tenants.create({ slug: 'acme', name: 'Acme Again', region: 'us', plan: 'team' });
    await expect(again).rejects.toBeInstanceOf(ApiProblem);
    await expect(again).rejects.toMatchObject({ code: 'slug_taken' });
    expect((await ask('/v1/tenant')).status).toBeGreaterThanOrEqual(401);
  });

  test('fsck is clean, and every process ends with exit code 0', async () => {
    await waitUntil(async () => (await client.fsck()).in_progress.length === 0, {
      what: 'no operation in progress',
      timeoutMs: 20_000,
    });
    expect((await client.fsck()).findings).toEqual([]);
    for (const process of [...house.processes].reverse())
      expect(await process.stop()).toEqual({ code: 0, signal: null });
  });
}
