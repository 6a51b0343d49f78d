// The queue is a hint: it loses every job, its server restarts or stays away, and everything converges within a minute.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '../../control-plane/client.ts';
import { describeWith } from '../support/components.ts';
import type { ProcessHouse } from '../support/process-house.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import {
  converged,
  killOne,
  openProvisioning,
  type Provisioning,
  roundOfProvisions,
} from '../support/rounds-of-provisions.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { suspendUnderLoad } from '../support/suspend-under-load.ts';
import { waitUntil } from '../support/wait-until.ts';

describe('queue on PostgreSQL', () => {
  let setting: Provisioning;
  beforeAll(async () => {
    setting = await openProvisioning();
  }, 120_000);
  afterAll(() => setting.house.close());

  test('P11 the queue loses every job amid twenty provisions', async () => {
    await roundOfProvisions(setting, 'wiped', async () => {
      await sleep(50 + setting.random() * 200);
      const tables = await superuserSql<{ name: string }>(
        setting.house.queue,
        `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'bullmq' and tablename not like '%migration%'`,
      );
      await superuserSql(setting.house.queue, `truncate ${tables.map((table) => table.name).join(', ')}`);
    });
  }, 120_000);

  test('P10 the server of catalog and queue restarts amid twenty provisions', async () => {
    await roundOfProvisions(setting, 'restarted', async () => {
      await sleep(50 + setting.random() * 200);
      await setting.house.system.stop('immediate');
      await setting.house.system.start();
    });
    for (const server of setting.servers) expect(server.exit(), server.output().slice(-2_000)).toBeUndefined();
  }, 120_000);
});

describeWith('redis-server', 'queue on Redis', () => {
  let setting: Provisioning;
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
    setting = await openProvisioning(redis.url);
  }, 120_000);
  afterAll(async () => {
    await setting.house.close();
    await redis.remove();
  });

  test('P11 FLUSHALL and kill -9 of a control plane amid twenty provisions', async () => {
    await roundOfProvisions(setting, 'flushed', async () => {
      await sleep(50 + setting.random() * 200);
      await flushAll(redis);
      await killOne(setting);
      await flushAll(redis);
    });
  }, 120_000);

  test('P11 Redis is killed amid twenty provisions and comes back empty', async () => {
    await roundOfProvisions(setting, 'redis-gone', async () => {
      await sleep(50 + setting.random() * 200);
      await redis.kill();
      await sleep(2_000); // an outage has a length; requests go on in it
      await redis.start();
    });
  }, 120_000);

  test('P19 suspended with the queue stopped: refused and without a session within 5 s', async () => {
    const { house, clients } = setting;
    const runtime = await house.startRuntime();
    const tenants = (await Array.fromAsync((clients()[0] as Client).tenants.list({ state: 'active' }))).slice(0, 20);
    await redis.stop();
    const told = await suspendUnderLoad({ client: clients()[0] as Client, runtime, tenants, waitForEnd: false });
    console.log(`P19 the same with the queue stopped, ${tenants.length} tenants: ${told.words}`);
    expect(told.p99Ms).toBeLessThan(5_000);
    const [{ server }] = house.tenantServers as [ProcessHouse['tenantServers'][number]];
    const names = tenants.map((tenant) => `t_${(tenant.database?.id ?? '').slice(4).toLowerCase()}`);
    const noSession = async () =>
      (
        await superuserSql(server.address, 'select from pg_stat_activity where datname = any($1) and usename like $2', [
          names,
          '%app%',
        ])
      ).length === 0;
    await waitUntil(noSession, { what: 'no session of a suspended tenant', timeoutMs: 5_000 });
    await redis.start();
    await converged(setting);
    const suspended = await Array.fromAsync((clients()[0] as Client).tenants.list({ state: 'suspended' }));
    expect(suspended).toHaveLength(tenants.length);
  }, 120_000);
});

async function flushAll(redis: TestRedis): Promise<void> {
  const { Redis } = await import('ioredis');
  const connection = new Redis(redis.url, { maxRetriesPerRequest: 5 });
  connection.on('error', () => {});
  await connection.flushall();
  connection.disconnect();
}
