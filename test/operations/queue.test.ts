// The queue on both of its backends: the same promises, then what only one of them can break.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId, type OperationId } from '../../catalog/ids.ts';
import { createQueue, type OperationQueue } from '../../control-plane/queue/queue.ts';
import { type PrivateCluster, startPrivateCluster } from '../support/clusters.ts';
import { describeWith } from '../support/components.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { testLog } from '../support/installation.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

const queueProcess = path.join(import.meta.dirname, '../support/queue-process.ts');
const log = testLog();
const open = (url: string) =>
  createQueue({
    url,
    log,
    onFatal: (error) => {
      throw error;
    },
  });

type Server = {
  url: string;
  stop(): Promise<unknown>;
  start(): Promise<void>;
  remove(): Promise<void>;
  forget(): Promise<void>;
};

function promises(startServer: () => Promise<Server>): void {
  let server: Server;
  let queue: OperationQueue;
  const handled: OperationId[] = [];
  beforeAll(async () => {
    server = await startServer();
    queue = await open(server.url);
    queue.work('foreground', 2, async (id) => void handled.push(id));
  });
  afterAll(async () => {
    await queue.close();
    await server.remove();
  });

  test('a nudge arrives with the operation id, once', async () => {
    const id = newId('operation');
    await queue.wake(id, 'foreground');
    await waitUntil(() => handled.includes(id), { what: 'the nudge' });
    await waitUntil(async () => (await queue.pending('foreground')) === 0, { what: 'an empty queue' });
    expect(handled.filter((seen) => seen === id)).toEqual([id]);
  });

  test('a delayed nudge waits', async () => {
    const id = newId('operation');
    const startedAtMs = performance.now();
    await queue.wake(id, 'foreground', 300);
    await waitUntil(() => handled.includes(id), { what: 'the delayed nudge' });
    expect(performance.now() - startedAtMs).toBeGreaterThan(290);
  });

  test('nudging again while one waits adds nothing', async () => {
    const id = newId('operation');
    for (let i = 0; i < 5; i++) await queue.wakeAgain(id, 'background');
    expect(await queue.pending('background')).toBe(1);
    const seen: OperationId[] = [];
    const worker = await open(server.url);
    worker.work('background', 1, async (operation) => void seen.push(operation));
    await waitUntil(async () => (await queue.pending('background')) === 0, { what: 'the nudge to be handled' });
    expect(seen).toEqual([id]);
    await worker.close();
  });

  test('close waits for what is in hand', async () => {
    const other = await open(server.url);
    let finished = false;
    let begun = false;
    let letGo = () => {};
    const gate = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    other.work('background', 1, async () => {
      begun = true;
      await gate;
      finished = true;
    });
    await queue.wake(newId('operation'), 'background');
    await waitUntil(() => begun, { what: 'the job to begin' });
    const closed = other.close();
    letGo();
    await closed;
    expect(finished).toBe(true);
  });

  test('P11 with the server away a wake neither throws nor takes long, and works again when it is back', async () => {
    await server.stop();
    const startedAtMs = performance.now();
    await queue.wake(newId('operation'), 'foreground');
    expect(performance.now() - startedAtMs).toBeLessThan(1_500);
    await expect(queue.health()).rejects.toMatchObject({ code: 'queue_unavailable' });
    await server.start();
    await waitUntil(() => queue.health().then(() => true), { what: 'the queue to be back' });
    const id = newId('operation');
    await waitUntil(
      async () => {
        await queue.wake(id, 'foreground');
        return handled.includes(id);
      },
      { what: 'a nudge after the restart', timeoutMs: 20_000, intervalMs: 200 },
    );
  });

  test('P11 a queue that has lost everything takes new nudges', async () => {
    await queue.wake(newId('operation'), 'background');
    await server.forget();
    const id = newId('operation');
    await queue.wake(id, 'foreground');
    await waitUntil(() => handled.includes(id), { what: 'a nudge after the loss' });
  });
}

describe('on PostgreSQL', () => {
  promises(async () => {
    const cluster = await startPrivateCluster();
    return {
      url: urlOf(cluster),
      stop: () => cluster.stop('immediate'),
      start: () => cluster.start(),
      remove: () => cluster.remove(),
      forget: async () => void (await superuserSql(cluster.address, 'delete from bullmq.job')),
    };
  });
});

describeWith('redis-server', 'on Redis', () => {
  promises(async () => {
    const redis = await startRedis();
    return {
      url: redis.url,
      stop: () => redis.kill(),
      start: () => redis.start(),
      remove: () => redis.remove(),
      forget: () => ask(redis, 'flushall'),
    };
  });

  describe('what only Redis can break', () => {
    test('P11 a Redis that may evict keys is refused, and one that becomes so is told by health', async () => {
      const redis = await startRedis({ args: ['--maxmemory', '10mb', '--maxmemory-policy', 'allkeys-lru'] });
      await expect(open(redis.url)).rejects.toMatchObject({ code: 'queue_unsafe' });
      await ask(redis, 'config', 'set', 'maxmemory-policy', 'noeviction');
      const queue = await open(redis.url);
      await queue.health();
      await ask(redis, 'config', 'set', 'maxmemory-policy', 'volatile-ttl');
      await expect(queue.health()).rejects.toMatchObject({ code: 'queue_unsafe' });
      await queue.close();
      await redis.remove();
    });

    test('P11 where CONFIG is forbidden INFO is enough', async () => {
      const redis = await startRedis();
      await ask(redis, 'acl', 'setuser', 'default', 'on', 'nopass', '+@all', '-config');
      const queue = await open(redis.url);
      await queue.close();
      await redis.remove();
    });
  });
});

describe('what only PostgreSQL can break', () => {
  let cluster: PrivateCluster;
  beforeAll(async () => {
    cluster = await startPrivateCluster();
  });
  afterAll(() => cluster.remove());

  test('P12 a queue that was migrated by a newer version is refused', async () => {
    const queue = await open(urlOf(cluster));
    await queue.close();
    await superuserSql(cluster.address, 'update bullmq.migration set min_client_version = 999');
    await expect(open(urlOf(cluster))).rejects.toMatchObject({ code: 'queue_outdated' });
    await superuserSql(cluster.address, 'drop schema bullmq cascade');
  });

  test('P12 a queue whose schema is taken away ends the process instead of wedging it', async () => {
    const child = spawn(process.execPath, [queueProcess, urlOf(cluster)], { stdio: 'pipe' });
    await once(child.stdout, 'data'); // the queue is open and its schema was checked
    await superuserSql(cluster.address, 'drop schema bullmq cascade');
    child.stdin.write('work\n');
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(70);
  });

  test('P11 a worker whose first connections are not answered in time works as soon as they are', async () => {
    const proxy = await startFaultProxy(cluster.address);
    const way = new URL(urlOf(cluster));
    way.port = String(proxy.port);
    const child = spawn(process.execPath, [queueProcess, way.href], { stdio: 'pipe' });
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
    try {
      await waitUntil(() => printed.includes('open'), { what: 'the queue to be open' });
      proxy.blackhole();
      const before = proxy.accepted;
      child.stdin.write('work\n');
      // Longer than a first connection may take: the second one is a second attempt.
      await waitUntil(() => proxy.accepted > before + 2, { what: 'another attempt' });
      proxy.heal();
      const [queue, id] = [await open(urlOf(cluster)), newId('operation')];
      await queue.wake(id, 'foreground');
      await waitUntil(() => printed.includes(`handled ${id}`), { what: 'the nudge', timeoutMs: 20_000 });
      await queue.close();
    } finally {
      child.kill('SIGKILL');
      await proxy.close();
    }
  });

  test('P12 a queue that lost its schema under a running worker is told by health', async () => {
    const queue = await open(urlOf(cluster));
    queue.work('foreground', 1, async () => {});
    await queue.health();
    await superuserSql(cluster.address, 'alter schema bullmq rename to elsewhere');
    await expect(queue.health()).rejects.toMatchObject({ code: 'queue_unavailable' });
    await queue.wake(newId('operation'), 'foreground');
    await queue.close();
  });
});

function urlOf({ address }: PrivateCluster): string {
  return `postgres://${address.user}:${address.password}@${address.host}:${address.port}/${address.database}`;
}

async function ask(redis: TestRedis, command: string, ...args: string[]): Promise<void> {
  const { Redis } = await import('ioredis');
  const connection = new Redis(redis.url, { maxRetriesPerRequest: 1 });
  await connection.call(command, ...args);
  connection.disconnect();
}
