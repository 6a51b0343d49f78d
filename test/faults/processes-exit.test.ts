// How the two processes end when they cannot start: with what is wrong in a sentence and an honest exit code, never a stack,
// never a secret.
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { describeWith } from '../support/components.ts';
import { openProcessHouse, type ProcessHouse } from '../support/process-house.ts';
import {
  type Environment,
  type ServerProcess,
  stack,
  startControlPlaneProcess,
  startRuntimeProcess,
} from '../support/processes.ts';
import { startRedis } from '../support/redis.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

let house: ProcessHouse;
const started: ServerProcess[] = [];

beforeAll(async () => {
  house = await openProcessHouse({ regions: ['eu'] });
  // Makes the schema of the catalog.
  await (await house.startControlPlane()).stop();
}, 120_000);
afterAll(() => house.close());
afterEach(async () => {
  for (const each of started.splice(0)) await each.kill();
});

async function run(start: (env: Environment) => Promise<ServerProcess>, env: Environment): Promise<ServerProcess> {
  const process = await start(env);
  started.push(process);
  return process;
}

const programs = [
  {
    name: 'control plane',
    start: startControlPlaneProcess,
    port: 'FREEHOLD_PORT',
    url: 'FREEHOLD_CATALOG_URL',
    env: () => house.controlPlaneEnv,
  },
  {
    name: 'runtime',
    start: startRuntimeProcess,
    port: 'FREEHOLD_RUNTIME_PORT',
    url: 'FREEHOLD_RUNTIME_CATALOG_URL',
    env: () => house.runtimeEnv,
  },
] as const;

describe.each(programs)('the $name cannot start', ({ start, port, url, env }) => {
  test('a configuration with mistakes: all of them listed at once, exit code 2, no secret repeated', async () => {
    const process = await run(start, {
      [url]: 'postgres://u:hunter2@h/d?sslmode=maybe',
      FREEHOLD_SEALING_KEYS: 'k:c2hvcnQ=',
      [port]: '99999',
      [`${port}S`]: '1',
      FREEHOLD_LOG_LEVEL: 'loud',
      FREEHOLD_SHUTDOWN_GRACE_MS: 'long',
    });
    expect(await process.exited).toEqual({ code: 2, signal: null });
    const told = process.output();
    for (const name of [
      url,
      'FREEHOLD_SEALING_KEYS',
      `${port} must`,
      'FREEHOLD_LOG_LEVEL',
      'FREEHOLD_SHUTDOWN_GRACE_MS',
      `did you mean ${port}?`,
    ]) {
      expect(told).toContain(name);
    }
    expect(told).not.toMatch(stack);
    expect(told).not.toMatch(/hunter2|c2hvcnQ/);
  });

  test('nothing configured: what is required is named, exit code 2', async () => {
    const process = await run(start, {});
    expect(await process.exited).toEqual({ code: 2, signal: null });
    for (const name of [url, 'FREEHOLD_SEALING_KEYS']) expect(process.output()).toContain(`${name} is required`);
  });

  test('a port that is taken: one sentence, exit code 1', async () => {
    const other = net.createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const taken = (other.address() as AddressInfo).port;
    const process = await run(start, { ...env(), [port]: String(taken) });
    expect(await process.exited).toEqual({ code: 1, signal: null });
    expect(process.output()).toContain(`Port ${taken} on 127.0.0.1 is already in use`);
    expect(process.output()).not.toMatch(stack);
    other.close();
  });
});

describe('the control plane finds its servers away', () => {
  test.each([
    ['a wrong password', (url: string) => url.replace(/:[^:@]+@/, ':hunter2@')],
    ['a database that is not there', (url: string) => url.replace('freehold_catalog', 'nowhere')],
    ['no server at all', () => 'postgres://u:hunter2@127.0.0.1:1/freehold_catalog'],
  ])('catalog, %s: a sentence, exit code 1', async (_what, change) => {
    const url = change(house.controlPlaneEnv.FREEHOLD_CATALOG_URL ?? '');
    const process = await run(startControlPlaneProcess, { ...house.controlPlaneEnv, FREEHOLD_CATALOG_URL: url });
    expect(await process.exited).toEqual({ code: 1, signal: null });
    expect(process.output()).toContain('(catalog_unavailable)');
    expect(process.output()).not.toMatch(stack);
    expect(process.output()).not.toContain('hunter2');
  });

  test.each(['postgres://u:hunter2@127.0.0.1:1/queue', 'redis://:hunter2@127.0.0.1:1'])(
    'P12 no queue at %s: a sentence, exit code 1',
    async (url) => {
      const process = await run(startControlPlaneProcess, { ...house.controlPlaneEnv, FREEHOLD_QUEUE_URL: url });
      expect(await process.exited).toEqual({ code: 1, signal: null });
      expect(process.output()).toContain('(queue_unavailable)');
      expect(process.output()).not.toMatch(stack);
      expect(process.output()).not.toContain('hunter2');
    },
  );

  test('a sealing key that is not the one of this installation: a sentence, exit code 1', async () => {
    const FREEHOLD_SEALING_KEYS = `other:${Buffer.alloc(32, 7).toString('base64')}`;
    const process = await run(startControlPlaneProcess, { ...house.controlPlaneEnv, FREEHOLD_SEALING_KEYS });
    expect(await process.exited).toEqual({ code: 1, signal: null });
    expect(process.output()).toContain('FREEHOLD_SEALING_KEYS');
    expect(process.output()).not.toMatch(stack);
  });
});

describeWith('redis-server', 'a Redis that may drop jobs', () => {
  test('P11 is refused at the start: queue_unsafe, exit code 1', async () => {
    const redis = await startRedis({ args: ['--maxmemory-policy', 'allkeys-lru'] });
    const process = await run(startControlPlaneProcess, { ...house.controlPlaneEnv, FREEHOLD_QUEUE_URL: redis.url });
    expect(await process.exited).toEqual({ code: 1, signal: null });
    expect(process.output()).toContain('maxmemory-policy allkeys-lru');
    expect(process.output()).toContain('(queue_unsafe)');
    expect(process.output()).not.toMatch(stack);
    await redis.remove();
  });
});

describe('the runtime finds the catalog away', () => {
  test('it lives, says that it is not ready, and becomes ready when the catalog answers', async () => {
    const FREEHOLD_RUNTIME_CATALOG_URL = house.runtimeEnv.FREEHOLD_RUNTIME_CATALOG_URL?.replace(
      /:[^:@]+@/,
      ':hunter2@',
    );
    const process = await run(startRuntimeProcess, { ...house.runtimeEnv, FREEHOLD_RUNTIME_CATALOG_URL });
    await waitUntil(async () => (await fetch(`${process.url}/livez`)).status === 200, { what: 'a sign of life' });
    expect((await fetch(`${process.url}/readyz`)).status).toBe(503);
    expect(process.output()).not.toContain('hunter2');
    await superuserSql(house.system.address, `alter role freehold_runtime_login password 'hunter2'`);
    await waitUntil(async () => (await fetch(`${process.url}/readyz`)).status === 200, {
      what: 'readiness',
      timeoutMs: 20_000,
    });
    await superuserSql(house.system.address, `alter role freehold_runtime_login password '${house.runtimePassword}'`);
    expect(await process.stop()).toEqual({ code: 0, signal: null });
  });
});
