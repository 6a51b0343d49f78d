// `npm start` as a stranger runs it, in a folder of its own: it comes up, answers, stops on Ctrl-C, comes up again on the same
// data; says what is wrong in a sentence; and a start after kill -9 clears away what that left behind.

import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createClient } from '../../control-plane/client.ts';
import { createTestFolder, freePort } from '../support/clusters.ts';
import { childrenOf, isAlive, startProcess, type TestProcess } from '../support/processes.ts';
import { waitUntil } from '../support/wait-until.ts';

/** From nothing: three times initdb and two warm databases, while other tests run. */
const startMaxMs = 80_000;

let folder: string;
let env: Record<string, string>;
let url: string;
const started: TestProcess[] = [];

beforeAll(async () => {
  folder = createTestFolder();
  const [port, runtimePort] = [await freePort(), await freePort()];
  url = `http://127.0.0.1:${port}`;
  env = {
    FREEHOLD_DATA_DIR: path.join(folder, 'data'),
    FREEHOLD_PROFILE: path.join(folder, 'profile.json'),
    FREEHOLD_PORT: String(port),
    FREEHOLD_RUNTIME_PORT: String(runtimePort),
  };
});
afterEach(async () => {
  for (const each of started.splice(0)) if (each.exit() === undefined) await each.kill();
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));

function start(command: string, args: string[], more: Record<string, string> = {}): TestProcess {
  const child = startProcess(command, args, { ...env, ...more }, { group: true });
  started.push(child);
  return child;
}
const startDev = (more?: Record<string, string>) => start(process.execPath, ['scripts/dev.ts'], more);

async function untilRunning(dev: TestProcess): Promise<void> {
  const told = () => dev.exit() !== undefined || dev.output().includes('Freehold is running.');
  await waitUntil(told, { what: '"Freehold is running."', timeoutMs: startMaxMs, intervalMs: 100 });
  expect(dev.exit(), dev.output()).toBeUndefined();
}

const ownerKey = () => (JSON.parse(fs.readFileSync(env.FREEHOLD_PROFILE ?? '', 'utf8')) as { api_key: string }).api_key;
const familyOf = (pid: number): number[] => [pid, ...childrenOf(pid).flatMap(familyOf)];

test('npm start comes up from nothing, answers, and Ctrl-C ends all of it with exit code 0', async () => {
  const npm = start('npm', ['start']);
  await untilRunning(npm);
  const key = ownerKey();
  const { tenant } = await createClient({ baseUrl: url, apiKey: key }).tenants.create(
    { slug: 'first', name: 'First', region: 'eu', plan: 'team' },
    { waitSec: 20 },
  );
  expect(tenant.state).toBe('active');
  expect(npm.output()).not.toContain(key);
  const family = familyOf(npm.pid);
  const stoppedAtMs = performance.now();
  npm.signal('SIGINT'); // as a terminal: npm, the shell and the program get it at once
  // npm waits for our program, then reports the signal as its own end, whatever the program's exit code was.
  expect(await npm.exited).toEqual({ code: null, signal: 'SIGINT' });
  expect(npm.output()).toMatch(/SIGINT: stopping …\n$/);
  await waitUntil(() => family.every((pid) => !isAlive(pid)), { what: 'the end of every process' });
  console.log(`npm start stopped ${family.length} processes in ${Math.round(performance.now() - stoppedAtMs)} ms`);
  expect(performance.now() - stoppedAtMs).toBeLessThan(10_000);

  const again = startDev();
  await untilRunning(again);
  expect(ownerKey()).toBe(key);
  const tenants = await Array.fromAsync(createClient({ baseUrl: url, apiKey: key }).tenants.list());
  expect(tenants.map(({ slug, state }) => `${slug} ${state}`)).toEqual(['first active']);
  again.signal('SIGINT');
  expect(await again.exited).toEqual({ code: 0, signal: null });
}, 200_000);

test('a port that is taken: a sentence, exit code 1, nothing left running', async () => {
  const other = net.createServer().listen(Number(env.FREEHOLD_RUNTIME_PORT), '127.0.0.1');
  await once(other, 'listening');
  const dev = startDev();
  expect(await dev.exited).toEqual({ code: 1, signal: null });
  expect(dev.output()).toContain(
    'is taken by another program. Stop it, or choose another port with FREEHOLD_RUNTIME_PORT.',
  );
  expect(dev.output()).not.toMatch(/\n\s+at /);
  expect(childrenOf(dev.pid)).toEqual([]);
  other.close();
});

test('a setting that a process refuses: its own words, exit code 1, PostgreSQL stopped too', async () => {
  const dev = startDev({ FREEHOLD_DELETE_GRACE_SEC: 'soon' });
  await waitUntil(() => dev.output().includes('FREEHOLD_DELETE_GRACE_SEC'), {
    what: 'the words of the control plane',
    timeoutMs: startMaxMs,
  });
  expect(await dev.exited).toEqual({ code: 1, signal: null });
  expect(dev.output()).toContain('FREEHOLD_DELETE_GRACE_SEC must be a whole number');
  expect(dev.output()).not.toMatch(/\n\s+at /);
  expect(fs.existsSync(path.join(folder, 'data/system/postmaster.pid'))).toBe(false);
}, 120_000);

test('Ctrl-C in the middle of a start: what has started is stopped too', async () => {
  const dev = startDev({ FREEHOLD_DATA_DIR: path.join(folder, 'interrupted') });
  await waitUntil(() => dev.output().includes('Starting three PostgreSQL servers'), {
    what: 'the start of the servers',
    timeoutMs: startMaxMs,
  });
  await waitUntil(() => childrenOf(dev.pid).length > 0, {
    what: 'the first child',
    timeoutMs: startMaxMs,
    intervalMs: 5,
  });
  const family = new Set(familyOf(dev.pid));
  dev.signal('SIGINT');
  while (dev.exit() === undefined) {
    for (const pid of familyOf(dev.pid)) family.add(pid);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(dev.exit()).toEqual({ code: 0, signal: null });
  expect([...family].filter(isAlive)).toEqual([]);
  expect(dev.output()).not.toMatch(/\n\s+at /);
}, 120_000);

test('after kill -9 its servers end by themselves, and the next start works on the same data', async () => {
  const dev = startDev();
  await untilRunning(dev);
  const key = ownerKey();
  const family = familyOf(dev.pid);
  const servers = family.filter((pid) => commandOf(pid).includes('main.ts'));
  expect(servers).toHaveLength(2);
  process.kill(dev.pid, 'SIGKILL');
  await dev.exited;
  await waitUntil(() => servers.every((pid) => !isAlive(pid)), { what: 'the end of both servers', timeoutMs: 20_000 });

  const again = startDev();
  await untilRunning(again);
  expect(ownerKey()).toBe(key);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  again.signal('SIGINT');
  expect(await again.exited).toEqual({ code: 0, signal: null });
  await waitUntil(() => family.every((pid) => !isAlive(pid)), { what: 'the end of the servers left behind' });
}, 200_000);

function commandOf(pid: number): string {
  return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
}
