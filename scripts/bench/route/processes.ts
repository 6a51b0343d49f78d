// Owns the server processes of the bench: started with their kind, they print their address as the first line.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

export type BenchServer = {
  url: string;
  /** Processor time it has used, where the system tells (Linux): other load on the machine hardly changes it. */
  cpuMs(): number | undefined;
  stop(): Promise<void>;
};

/** Linux counts processor time in hundredths of a second. */
const tickMs = 10;

export async function startBenchServer(kind: string, env: Record<string, string>): Promise<BenchServer> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'server.ts'), kind], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> });
  const first = await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => undefined)]);
  if (first === undefined) throw new Error(`the ${kind} server of the bench did not start`);
  return {
    url: String(first[0]),
    cpuMs() {
      const file = `/proc/${child.pid}/stat`;
      if (!fs.existsSync(file)) return undefined;
      const fields = fs.readFileSync(file, 'utf8').split(') ')[1]?.split(' ') ?? [];
      return (Number(fields[11]) + Number(fields[12])) * tickMs; // utime and stime
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}
