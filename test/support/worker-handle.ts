// Owns worker processes for tests, one started ahead so that its start is not waited for.
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import { superuserSql } from './superuser-sql.ts';
import type { WorkerNews, WorkerOrder } from './worker-process.ts';

const program = path.join(import.meta.dirname, 'worker-process.ts');

export type WorkerHandle = {
  order(order: WorkerOrder): void;
  /** The next thing it says. */
  news(): Promise<WorkerNews>;
  goOn(): void;
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  kill(): Promise<void>;
};

export function createWorkers(address: PostgresAddress) {
  const ahead: Promise<WorkerHandle>[] = [start(address), start(address)];
  return {
    next(): Promise<WorkerHandle> {
      ahead.push(start(address));
      return ahead.shift() as Promise<WorkerHandle>;
    },
    close: async () => void (await Promise.all(ahead.map(async (worker) => (await worker).kill()))),
  };
}

async function start(address: PostgresAddress): Promise<WorkerHandle> {
  const child = spawn(process.execPath, [program, JSON.stringify(address)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const news = async () => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`the worker process has ended: ${child.exitCode ?? child.signalCode}`);
    return JSON.parse(value) as WorkerNews;
  };
  await news();
  return {
    order: (order) => write(child, JSON.stringify(order)),
    news,
    goOn: () => write(child, 'go on'),
    signal: (signal) => void child.kill(signal),
    async kill() {
      child.kill('SIGKILL');
      await exited;
      // As the reconciler connection-shares does some lease times later, which here would add up to hours.
      await superuserSql(address, 'delete from connection_shares where pid = $1', [child.pid]);
    },
  };
}

function write(child: ChildProcess, line: string): void {
  child.stdin?.write(`${line}\n`);
}
