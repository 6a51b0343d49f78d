// Owns `freehold clusters`: registering PostgreSQL servers and telling them what they may hold. The superuser's URL is read from
// a flag, a variable or stdin, sent once and never shown.
import fs from 'node:fs';
import { type Command, Option } from 'commander';
import type {
  Cluster,
  ClusterChange,
  ClusterInstall,
  ClusterWithShares,
  NewCluster,
  RegisteredCluster,
} from '../../client.ts';
import { readSecret } from '../ask.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { CliError } from '../cli-error.ts';
import { clusterIdOf } from '../find-id.ts';
import { addListOptions, type ListOptions, readRows } from '../list-rows.ts';
import { wholeNumber } from '../parse-options.ts';
import { type Cell, type Column, paintState, timeCell } from '../table.ts';

type ClusterShare = ClusterWithShares['shares'][number];

const many = wholeNumber(0, 100_000);

export function addClusters(program: Command, io: Io): void {
  const noun = program.command('clusters').summary('register and drain PostgreSQL servers').description('Clusters.');
  noun
    .command('add')
    .summary('register a PostgreSQL server')
    .description(
      'Registers a PostgreSQL server: probes and hardens it and installs the provisioning functions, once, as its superuser.\nThe superuser URL is not stored. Prefer - or --superuser-url-env: what stands on a command line is seen by others.',
    )
    .argument('<name>', 'such as eu-1')
    .requiredOption('--region <region>', 'where the server is')
    .addOption(new Option('--tier <tier>', 'kind of cluster').choices(['shared', 'dedicated']).default('shared'))
    .option('--superuser-url <url>', 'postgres://user:password@host:port/postgres, or - to read it from stdin')
    .option('--superuser-url-env <variable>', 'name of the environment variable that holds the URL')
    .addOption(new Option('--tls <mode>', 'default: what the URL says').choices(['disable', 'require', 'verify-full']))
    .option('--ca-file <file>', 'PEM of the certificate authority, for verify-full')
    .requiredOption('--capacity <n>', 'databases it may hold, warm ones included', many)
    .requiredOption('--connection-budget <n>', 'sessions all processes of Freehold may open', many)
    .option('--warm-min <n>', 'warm databases to keep at least', many)
    .option('--warm-max <n>', 'warm databases to keep at most', many)
    .option('--pooler-url <url>', 'postgres://host:port of a PgBouncer that runtimes go through')
    .action(action(io, addCluster));
  const list = noun
    .command('list')
    .summary('list clusters, newest first')
    .description('Lists clusters, newest first.')
    .option('--region <region>', 'only in this region')
    .addOption(new Option('--state <state>', 'only in this state').choices(['active', 'draining', 'retired']));
  addListOptions(list).action(action(io, listClusters));
  noun
    .command('get')
    .alias('show')
    .summary('show one cluster')
    .description('Shows one cluster, and which process has which part of its connection budget.')
    .argument('<cluster>', 'id or name')
    .action(
      action(io, async (cli, idOrName: string) => {
        const cluster = await (await cli.client()).clusters.get(idOrName);
        cli.show(cluster, [...clusterFields(cluster), ...cluster.shares.map(shareField)]);
      }),
    );
  noun
    .command('update')
    .summary('change capacity, connection budget, warm stock or pooler')
    .description('Changes capacity, connection budget, warm stock or pooler. What is there already stays.')
    .argument('<cluster>', 'id or name')
    .option('--capacity <n>', 'databases it may hold, warm ones included', many)
    .option('--connection-budget <n>', 'sessions all processes of Freehold may open', many)
    .option('--warm-min <n>', 'warm databases to keep at least', many)
    .option('--warm-max <n>', 'warm databases to keep at most', many)
    .option(
      '--pooler-url <url>',
      'postgres://host:port of a PgBouncer that runtimes go through; none: they go to the server',
    )
    .action(action(io, updateCluster));
  noun
    .command('upgrade')
    .summary('bring the functions of a cluster to this version')
    .description(
      'Installs the provisioning functions, the template and the roles of a cluster again, as its superuser. What is right already is left alone.\nThe superuser URL is not stored. Prefer - or --superuser-url-env: what stands on a command line is seen by others.',
    )
    .argument('<cluster>', 'id or name')
    .option('--superuser-url <url>', 'postgres://user:password@host:port/postgres, or - to read it from stdin')
    .option('--superuser-url-env <variable>', 'name of the environment variable that holds the URL')
    .addOption(
      new Option('--tls <mode>', 'default: what the URL says, else as registered').choices([
        'disable',
        'require',
        'verify-full',
      ]),
    )
    .option('--ca-file <file>', 'PEM of the certificate authority; default: as registered')
    .action(action(io, upgradeCluster));
  addStateCommand(
    noun,
    io,
    'drain',
    'give a cluster no new tenants',
    'Gives a cluster no new tenants. Those that are there stay and are served.',
  );
  addStateCommand(
    noun,
    io,
    'activate',
    'give a draining cluster new tenants again',
    'Gives a draining cluster new tenants again.',
  );
}

function addStateCommand(
  noun: Command,
  io: Io,
  verb: 'drain' | 'activate',
  summary: string,
  description: string,
): void {
  noun
    .command(verb)
    .summary(summary)
    .description(description)
    .argument('<cluster>', 'id or name')
    .action(
      action(io, async (cli, idOrName: string) => {
        const client = await cli.client();
        const cluster = await client.clusters[verb](await clusterIdOf(client, idOrName));
        cli.show(cluster, clusterFields(cluster));
      }),
    );
}

type LimitFlags = {
  capacity?: number;
  connectionBudget?: number;
  warmMin?: number;
  warmMax?: number;
  poolerUrl?: string;
};
type SuperuserFlags = {
  superuserUrl?: string;
  superuserUrlEnv?: string;
  tls?: NonNullable<NewCluster['tls']>;
  caFile?: string;
};
type AddFlags = LimitFlags &
  SuperuserFlags & { region: string; tier: 'shared' | 'dedicated'; capacity: number; connectionBudget: number };

async function addCluster(cli: Cli, name: string, flags: AddFlags): Promise<void> {
  const { region, tier, capacity, connectionBudget } = flags;
  const client = await cli.client();
  const server = await superuserOf(cli, flags);
  cli.note(`Probing and installing ${name}, which takes a few seconds …`);
  const cluster = await client.clusters.register({
    name,
    region,
    tier,
    ...server,
    ...limitsOf(flags),
    capacity,
    connection_budget: connectionBudget,
  });
  showInstalled(cli, cluster);
}

async function upgradeCluster(cli: Cli, idOrName: string, flags: SuperuserFlags): Promise<void> {
  const client = await cli.client();
  const id = await clusterIdOf(client, idOrName);
  const server = await superuserOf(cli, flags);
  cli.note(`Installing ${idOrName} again, which takes a few seconds …`);
  showInstalled(cli, await client.clusters.install(id, server));
}

function showInstalled(cli: Cli, cluster: RegisteredCluster): void {
  cli.show(cluster, clusterFields(cluster));
  for (const problem of cluster.problems) cli.note(`${cli.paintErr('yellow', '!')} ${problem}`);
}

async function superuserOf(cli: Cli, flags: SuperuserFlags): Promise<ClusterInstall> {
  const superuser = { url: await superuserUrl(cli, flags) };
  const { tls, caFile } = flags;
  return {
    superuser,
    ...(tls !== undefined && { tls }),
    ...(caFile !== undefined && { ca: readCa(caFile) }),
  };
}

async function superuserUrl(
  cli: Cli,
  { superuserUrl: given, superuserUrlEnv: variable }: SuperuserFlags,
): Promise<string> {
  if (given !== undefined && variable !== undefined) {
    throw new CliError('Give one of --superuser-url and --superuser-url-env, not both.');
  }
  const url =
    variable !== undefined
      ? cli.io.env[variable]
      : given === '-' || (given === undefined && cli.io.stdin.isTTY)
        ? await readSecret(cli, 'URL of the superuser (not shown): ')
        : given;
  if (url !== undefined && url !== '') return url;
  throw new CliError(variable === undefined ? 'The URL of the superuser is missing.' : `${variable} is not set.`, {
    next: ['Pass it on stdin with `--superuser-url -`, or in a variable with `--superuser-url-env NAME`.'],
  });
}

function readCa(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CliError(`--ca-file cannot be read: ${file}`, { cause });
  }
}

function limitsOf({ capacity, connectionBudget, warmMin, warmMax, poolerUrl }: LimitFlags): ClusterChange {
  return {
    ...(capacity !== undefined && { capacity }),
    ...(connectionBudget !== undefined && { connection_budget: connectionBudget }),
    ...(warmMin !== undefined && { warm_min: warmMin }),
    ...(warmMax !== undefined && { warm_max: warmMax }),
    ...(poolerUrl !== undefined && { pooler_url: poolerUrl === 'none' ? null : poolerUrl }),
  };
}

async function updateCluster(cli: Cli, idOrName: string, flags: LimitFlags): Promise<void> {
  const change = limitsOf(flags);
  if (Object.keys(change).length === 0)
    throw new CliError('Nothing to change.', { next: ['Give at least one option.'] });
  const client = await cli.client();
  const { id, version } = await client.clusters.get(idOrName);
  const cluster = await client.clusters.update(id, change, { version });
  cli.show(cluster, clusterFields(cluster));
}

async function listClusters(
  cli: Cli,
  { region, state, ...listing }: ListOptions & { region?: string; state?: Cluster['state'] },
): Promise<void> {
  const client = await cli.client();
  const rows = await readRows(cli, (query) => client.clusters.list({ region, state, ...query }), listing);
  cli.showList(rows, clusterColumns, 'There is no such cluster. `freehold clusters add` registers one.');
}

export const clusterColumns: readonly Column<Cluster>[] = [
  { title: 'NAME', cell: (row) => row.name },
  { title: 'STATE', cell: (row) => row.state, paint: (text, row, paint) => paintState(text, row.state, paint) },
  {
    title: 'HEALTH',
    cell: (row) => row.health.state,
    paint: (text, row, paint) => paintState(text, row.health.state, paint),
  },
  { title: 'REGION', cell: (row) => row.region },
  { title: 'TIER', cell: (row) => row.tier },
  { title: 'USED', cell: (row) => `${row.databases_used}/${row.capacity}`, align: 'right' },
  { title: 'WARM', cell: warmText, align: 'right' },
  { title: 'ADDRESS', cell: (row) => `${row.host}:${row.port}`, shrinks: true },
  { title: 'VERSION', cell: (row) => versionText(row.server_version_num) },
  { title: 'ID', cell: (row) => row.id },
];

function clusterFields(cluster: Cluster): [string, Cell][] {
  return [
    ['name', cluster.name],
    ['id', cluster.id],
    ['state', cluster.state],
    ['health', `${cluster.health.state} (checked ${timeCell(cluster.health.checked_at)})`],
    ['region', cluster.region],
    ['tier', cluster.tier],
    ['address', `${cluster.host}:${cluster.port}`],
    ['tls', cluster.tls],
    ['pooler', cluster.pooler_url ?? 'none'],
    ['version', versionText(cluster.server_version_num)],
    ['databases', `${cluster.databases_used} of ${cluster.capacity}`],
    ['connection budget', budgetText(cluster)],
    ['warm', warmText(cluster)],
    ['created', timeCell(cluster.created_at)],
  ];
}

function budgetText({ connection_budget, connections_granted, connections_open }: Cluster): string {
  return `${connection_budget}, of these ${connections_granted} granted and ${connections_open} open`;
}

function shareField({ holder_id, host, pid, granted, open, needed, live }: ClusterShare): [string, Cell] {
  const whose = `${holder_id} (${host}, pid ${pid}${live ? '' : ', silent'})`;
  return ['share', `${granted} granted, ${open} open, ${needed} needed: ${whose}`];
}

/** In stock, and the bounds. */
function warmText({ databases_warm, warm_min, warm_max }: Cluster): string {
  return `${databases_warm} (${warm_min}–${warm_max})`;
}

/** 180004 is 18.4. */
function versionText(serverVersionNum: number): string {
  return `${Math.floor(serverVersionNum / 10_000)}.${serverVersionNum % 10_000}`;
}
