// Owns real Redis servers for tests: each with a port and a folder of its own. Suites go through describeWith('redis-server', …).
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { createTestFolder, freePort } from './clusters.ts';
import { findComponent } from './components.ts';
import { waitUntil } from './wait-until.ts';

export type TestRedis = {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** Of the server that runs now. */
  readonly pid: number;
  /** SIGTERM: saves if told to by args. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** After stop or kill, on the same port and folder. */
  start(): Promise<void>;
  /** Stops and removes the data. To be called in afterAll. */
  remove(): Promise<void>;
};

export const redisAvailable = (): boolean => findComponent('redis-server') !== undefined;

/** Keeps nothing on disk and evicts nothing unless `args` say otherwise, such as ['--maxmemory-policy', 'allkeys-lru']. */
export async function startRedis({ args = [] }: { args?: string[] } = {}): Promise<TestRedis> {
  const program = findComponent('redis-server');
  if (program === undefined) throw new Error('redis-server is not installed; wrap the suite in describeWith');
  const folder = createTestFolder();
  const port = await freePort();
  const start = () => launch(program, port, folder, args);
  let child = await start();
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  };
  return {
    host: '127.0.0.1',
    port,
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child.pid ?? 0;
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    start: async () => {
      child = await start();
    },
    remove: async () => {
      await end('SIGKILL');
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function launch(program: string, port: number, folder: string, args: string[]): Promise<ChildProcess> {
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder];
  const memoryOnly = ['--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'];
  const child = spawn(program, [...place, ...memoryOnly, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-2000);
    });
  }
  const answered = () => {
    if (child.exitCode !== null) throw new Error(`redis-server ended: ${output}`);
    return ping(port);
  };
  await waitUntil(answered, { what: `redis-server on port ${port}` });
  return child;
}

function ping(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const finish = (ok: boolean) => {
      socket.destroy();
      resolve(ok);
    };
    socket.once('data', (data) => finish(data.toString().startsWith('+PONG')));
    socket.once('error', () => finish(false));
    socket.setTimeout(500, () => finish(false));
  });
}
