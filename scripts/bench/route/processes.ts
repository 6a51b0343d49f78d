// Owns the server processes of the bench: started with their kind, they print their address as the first line.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { cpuMsOf } from './processor-time.ts';

export type BenchServer = {
  url: string;
  /** Processor time it has used, where the system tells. */
  cpuMs(): number | undefined;
  stop(): Promise<void>;
};

export type ServerOptions = {
  /** A folder for a profile of its processor time, written when it stops. */
  profile?: string | undefined;
};

export async function startBenchServer(
  kind: string,
  env: Record<string, string>,
  { profile }: ServerOptions = {},
): Promise<BenchServer> {
  const flags =
    profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${kind}.cpuprofile`];
  const child = spawn(process.execPath, [...flags, path.join(import.meta.dirname, 'server.ts'), kind], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> });
  const first = await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => undefined)]);
  if (first === undefined) throw new Error(`the ${kind} server of the bench did not start`);
  return {
    url: String(first[0]),
    cpuMs: () => cpuMsOf(child.pid ?? 0),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM'); // it has nothing to save but its profile
      await exited;
    },
  };
}
