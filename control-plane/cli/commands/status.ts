// Owns `freehold status`: is the installation well, in one screen. Exit code 1 when the control plane is not ready.
import type { Command } from 'commander';
import type { Client, Cluster } from '../../client.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { paintState, renderFields, renderTable } from '../table.ts';
import { clusterColumns } from './clusters.ts';

/** More than so many operations are counted as "200+": an overview need not walk them all. */
const countMax = 200;

export function addStatus(program: Command, io: Io): void {
  program
    .command('status')
    .summary('show health and a short overview')
    .description('Shows health and a short overview. Exit code 1 when the control plane is not ready.')
    .action(action(io, status));
}

async function status(cli: Cli): Promise<void> {
  const client = await cli.client();
  const readiness = await client.readiness();
  if (readiness.status !== 'ready') cli.io.exitCode = exitCodes.failed;
  const { url, runtimeUrl } = cli.target();
  // Without its catalog the control plane can tell nothing else.
  const overview = readiness.checks.catalog === 'failed' ? undefined : await readOverview(client);
  if (cli.json) {
    cli.showDocument({ url, readiness, ...overview });
    return;
  }
  const checks = Object.entries(readiness.checks).map(
    ([name, state]) => `${name} ${paintState(state, state, cli.paintOut)}`,
  );
  cli.print(`${paintState(readiness.status, readiness.status, cli.paintOut)}  ${checks.join('  ')}\n\n`);
  if (overview === undefined) return;
  const { me, operations, runtimes, clusters } = overview;
  cli.print(
    renderFields(
      [
        ['admin API', url],
        ...(runtimeUrl === undefined ? [] : [['runtime', runtimeUrl] as const]),
        ['your role', me.role],
        ['runtimes live', runtimes.live],
        ['operations under way', operations.under_way],
        ['operations failed', operations.failed],
      ],
      cli.paintOut,
    ),
  );
  if (clusters.length === 0) return cli.note('\nNo cluster is registered yet: `freehold clusters add`.');
  const width = cli.io.stdout.isTTY ? cli.io.stdout.columns : undefined;
  cli.print(`\n${renderTable(clusters, clusterColumns, { paint: cli.paintOut, width })}`);
}

type Overview = {
  me: Awaited<ReturnType<Client['me']>>;
  operations: { under_way: string; failed: string };
  runtimes: { live: number };
  clusters: Cluster[];
};

async function readOverview(client: Client): Promise<Overview> {
  const count = async (state: 'pending' | 'running' | 'undoing' | 'failed') => {
    const { data, has_more } = await client.operations.page({ state, limit: countMax });
    return { count: data.length, more: has_more };
  };
  const [me, runtimes, clusters, failed, ...underWay] = await Promise.all([
    client.me(),
    client.runtimes(),
    client.clusters.page({ limit: countMax }),
    count('failed'),
    count('pending'),
    count('running'),
    count('undoing'),
  ]);
  const sum = underWay.reduce((total, each) => total + each.count, 0);
  return {
    me,
    operations: {
      under_way: countText(
        sum,
        underWay.some(({ more }) => more),
      ),
      failed: countText(failed.count, failed.more),
    },
    runtimes: { live: runtimes.filter(({ live }) => live).length },
    clusters: clusters.data,
  };
}

function countText(count: number, more: boolean): string {
  return more ? `${count}+` : String(count);
}
