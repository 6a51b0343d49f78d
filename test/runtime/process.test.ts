// The runtime as a process: what it says and how it ends when it cannot start, and a whole life from start to SIGTERM.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../support/clusters.ts';
import { call, createRuntimeFixture, type RuntimeFixture } from '../support/runtime.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

let fixture: RuntimeFixture;
beforeAll(async () => {
  fixture = await createRuntimeFixture();
}, 60_000);
afterAll(() => fixture.close());

function start(env: Record<string, string>) {
  const child = spawn(process.execPath, ['tenant-runtime/main.ts'], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = { text: '' };
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      out.text += chunk.toString();
    });
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  return { child, out, exit };
}

test('a configuration that cannot be used: every problem is listed, exit code 2, no secret in the text', async () => {
  const { out, exit } = start({
    FREEHOLD_RUNTIME_CATALOG_URL: 'postgres://u:hunter2@h/d?sslmode=maybe',
    FREEHOLD_SEALING_KEYS: 'k:short',
    FREEHOLD_RUNTIME_PORT: '99999',
    FREEHOLD_RUNTIME_PROT: '1',
  });
  expect(await exit).toBe(2);
  for (const name of ['FREEHOLD_RUNTIME_PORT', 'FREEHOLD_RUNTIME_PROT']) expect(out.text).toContain(name);
  expect(out.text).not.toMatch(/hunter2|at .*\.ts:/);
  const second = start({
    FREEHOLD_RUNTIME_CATALOG_URL: 'postgres://u:hunter2@h/d?sslmode=maybe',
    FREEHOLD_SEALING_KEYS: 'k:short',
  });
  expect(await second.exit).toBe(2);
  for (const name of ['FREEHOLD_RUNTIME_CATALOG_URL', 'FREEHOLD_SEALING_KEYS']) expect(second.out.text).toContain(name);
  expect(second.out.text).not.toMatch(/hunter2|at .*\.ts:/);
});

test('a port that is taken: a sentence and exit code 1, no stack', async () => {
  const taken = net.createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { out, exit } = start({
    ...fixture.env,
    FREEHOLD_RUNTIME_PORT: String((taken.address() as AddressInfo).port),
    FREEHOLD_RUNTIME_METRICS_PORT: '0',
    FREEHOLD_LOG_LEVEL: 'silent',
  });
  expect(await exit).toBe(1);
  expect(out.text).toContain('port_in_use');
  expect(out.text).not.toMatch(/at .*\.ts:/);
  taken.close();
});

test('a whole life: ready, serving, heard by the catalog, stopped by SIGTERM with exit code 0', async () => {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const { child, exit } = start({
    ...fixture.env,
    FREEHOLD_RUNTIME_PORT: String(port),
    FREEHOLD_RUNTIME_METRICS_PORT: String(metricsPort),
    FREEHOLD_LOG_LEVEL: 'silent',
  });
  const url = `http://127.0.0.1:${port}`;
  await waitUntil(async () => (await call(url, undefined, { path: '/readyz' })).status === 200, { what: 'readiness' });
  expect((await call(url, undefined, { path: '/livez' })).status).toBe(200);
  const tenant = await fixture.addTenant();
  expect((await call(url, await fixture.token(tenant.id), { body: { query: 'select 1' } })).status).toBe(200);
  expect((await call(`http://127.0.0.1:${metricsPort}`, undefined, { path: '/metrics' })).body.text).toContain(
    'freehold_runtime_sessions 1',
  );
  expect((await call(url, undefined, { path: '/metrics' })).status).toBe(404);
  await waitUntil(
    async () =>
      (await superuserSql(fixture.house.catalog.address, 'select 1 from runtime_instances where pid = $1', [child.pid]))
        .length === 1,
    { what: 'the heartbeat' },
  );
  child.kill('SIGTERM');
  expect(await exit).toBe(0);
});
