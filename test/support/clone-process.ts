// A process that copies a tenant's database, says so and uses it until it is killed: what a control plane does in a dry run.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { DatabaseId } from '../../catalog/ids.ts';
import { type CloneSource, createScratchDatabases } from '../../control-plane/rollouts/scratch/scratch-databases.ts';
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import { openEngine } from './installation.ts';
import { superuserSql } from './superuser-sql.ts';

/** @returns `copied`: the id of the copy once it is there, undefined when the process is gone before */
export function startClone(catalog: PostgresAddress, source: CloneSource) {
  const child = spawn(process.execPath, [import.meta.filename, JSON.stringify([catalog, source])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const line = createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  return {
    copied: line.then(({ value }) => value as DatabaseId | undefined),
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
      // As the reconciler connection-shares does some lease times later.
      await superuserSql(catalog, 'delete from connection_shares where pid = $1', [child.pid]);
    },
  };
}

if (process.argv[1] === import.meta.filename) {
  const [address, source] = JSON.parse(process.argv[2] ?? '') as [PostgresAddress, CloneSource];
  const { deps } = await openEngine(address, 'child');
  const scratch = createScratchDatabases({ ...deps, wake: async () => {} });
  await scratch.withClone(source, 'test', async (id) => {
    process.stdout.write(`${id}\n`);
    await new Promise((resolve) => setTimeout(resolve, 600_000)); // killed long before
  });
}
