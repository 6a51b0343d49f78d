// Owns Freehold as its real processes for tests: control planes and runtimes started as an operator starts them, on free
// ports, with all they write kept. They are ended by their own pid, and none outlives the test that started it.
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { freePort } from './clusters.ts';
import { waitUntil } from './wait-until.ts';

export const root = path.resolve(import.meta.dirname, '../..');

export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export type TestProcess = {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** Undefined while it runs. */
  exit(): Exit | undefined;
  /** Everything it has written so far, standard output and error together. */
  output(): string;
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL; resolves when it is gone. Harmless when it has ended. */
  kill(): Promise<void>;
  /** SIGTERM, and what became of it. */
  stop(): Promise<Exit>;
};

export type ServerProcess = TestProcess & { readonly url: string; readonly metricsUrl: string };

/** What an operator gets wrong is said in a sentence; a stack is for what nobody foresaw. */
export const stack = /^\s+at .+:\d+/m;

export type Environment = { readonly [name: string]: string | undefined };

/** Starts `command` in the root of the project with these variables and none of ours but PATH, HOME and CI. */
export function startProcess(
  command: string,
  args: readonly string[],
  env: Environment,
  options: { group?: boolean } = {},
): TestProcess {
  const { PATH = '', HOME = '', CI } = process.env;
  const child = spawn(command, args, {
    cwd: root,
    env: { PATH, HOME, ...(CI === undefined ? {} : { CI }), NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own takes signals as from a terminal: all of it at once.
    detached: options.group === true,
  });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  let exit: Exit | undefined;
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      running.delete(child);
      exit = { code, signal };
      resolve(exit);
    });
  });
  exited.catch(() => {}); // who waits for it is told
  const send = (signal: NodeJS.Signals) => void (exit ?? signalTo(child, signal, options.group === true));
  return {
    pid: child.pid ?? 0,
    exited,
    exit: () => exit,
    output: () => output,
    signal: send,
    async kill() {
      send('SIGKILL');
      await exited;
    },
    async stop() {
      send('SIGTERM');
      return await exited;
    },
  };
}

/** Does not wait for readiness. */
export async function startControlPlaneProcess(env: Environment): Promise<ServerProcess> {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const ports = { FREEHOLD_PORT: String(port), FREEHOLD_METRICS_PORT: String(metricsPort) };
  return startServer('control-plane/main.ts', { ...ports, ...env }, Number(env.FREEHOLD_PORT ?? port), metricsPort);
}

/** Does not wait for readiness. @param folder of the program, where it is not this project's own */
export async function startRuntimeProcess(env: Environment, folder = root): Promise<ServerProcess> {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const ports = { FREEHOLD_RUNTIME_PORT: String(port), FREEHOLD_RUNTIME_METRICS_PORT: String(metricsPort) };
  return startServer(
    path.join(folder, 'tenant-runtime/main.ts'),
    { ...ports, ...env },
    Number(env.FREEHOLD_RUNTIME_PORT ?? port),
    metricsPort,
  );
}

/** Its readiness page answers 200, or another one where it has no API. A start takes a second; on a machine that is busy, many. */
export async function untilReady(
  server: ServerProcess,
  timeoutMs = 90_000,
  page = `${server.url}/readyz`,
): Promise<void> {
  const ready = async () => {
    if (server.exit() !== undefined) return true;
    // A process that hangs must not hang whoever looks at it.
    return (await fetch(page, { signal: AbortSignal.timeout(5_000) })).status === 200;
  };
  await waitUntil(ready, { what: page, timeoutMs, intervalMs: 50 }).catch((cause: unknown) => {
    throw new Error(`it is not ready, and wrote:\n${server.output()}`, { cause });
  });
  if (server.exit() !== undefined) throw new Error(`ended before it was ready:\n${server.output()}`);
}

/** Pids of the processes whose parent is `pid`; Linux only. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(parent) === pid && state !== 'Z' ? [Number(name)] : [];
    } catch {
      return []; // ended meanwhile
    }
  });
}

/** A process that has ended and that nobody has asked about yet counts as gone. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}

function startServer(program: string, env: Environment, port: number, metricsPort: number): ServerProcess {
  const started = startProcess(process.execPath, [program], env);
  return Object.assign(started, {
    url: `http://127.0.0.1:${port}`,
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
  });
}

function signalTo(child: ChildProcess, signal: NodeJS.Signals, group: boolean): void {
  if (child.pid === undefined) return;
  try {
    process.kill(group ? -child.pid : child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // else it has just ended
  }
}

const running = new Set<ChildProcess>();
// A test run that ends in the middle must leave nothing behind.
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
