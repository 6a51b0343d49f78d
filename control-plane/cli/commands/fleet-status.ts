// Owns `freehold fleet status`: versions × counts × clusters for each lane, rollouts at work, quarantine and drift, on one screen.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import type { FleetStatusView } from '../../client.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { type Paint, printable } from '../paint.ts';
import { durationMs } from '../parse-options.ts';
import { type Column, renderTable } from '../table.ts';

type Flags = { watch?: boolean; every: number };
type Lane = FleetStatusView['lanes'][number];
type Version = Lane['versions'][number];
type Member = FleetStatusView['quarantined']['members'][number];

export function addFleetStatus(fleet: Command, io: Io): void {
  fleet
    .command('status')
    .summary('show where every database stands')
    .description(
      'Shows where every database stands: versions by cluster against the head of each lane, rollouts at work, tenants in\nquarantine and why, drift. One query on the catalog and none on a tenant.',
    )
    .option('--watch', 'draw it again in place until Ctrl-C; in a pipe one state after the other')
    .addOption(
      new Option('--every <duration>', 'pause between two with --watch').default(2_000, '2s').argParser(durationMs),
    )
    .action(action(io, status));
}

async function status(cli: Cli, { watch, every }: Flags): Promise<void> {
  const client = await cli.client();
  const { stdout, env } = cli.io;
  const inPlace = stdout.isTTY && env.TERM !== 'dumb';
  let drawn = 0;
  for (;;) {
    const state = await client.fleet.status();
    const text = cli.json
      ? `${watch === true ? JSON.stringify(state) : JSON.stringify(state, null, 2)}\n`
      : renderFleetStatus(state, cli.paintOut, stdout.isTTY ? stdout.columns : undefined);
    if (inPlace && drawn > 0 && !cli.json) cli.print(`\x1b[${drawn}A\x1b[0J`);
    cli.print(text);
    drawn = text.split('\n').length - 1;
    if (watch !== true) return;
    await sleep(every);
  }
}

export function renderFleetStatus(state: FleetStatusView, paint: Paint, width: number | undefined): string {
  const { lanes, rollouts, quarantined, drift } = state;
  const blocks = lanes.map((lane) => renderLane(lane, paint, width));
  if (lanes.length === 0) blocks.push('Nothing was released yet.\n');
  blocks.push(
    rollouts.length === 0 ? 'No rollout is at work.\n' : rollouts.map((each) => rolloutLine(each, paint)).join(''),
  );
  if (quarantined.total > 0) {
    const more = quarantined.total - quarantined.members.length;
    const title = paint('red', `${quarantined.total} in quarantine`);
    const rest = more > 0 ? `  … and ${more} more: freehold fleet members ${quarantined.members[0]?.rollout_id}\n` : '';
    blocks.push(`${title}\n${renderTable(quarantined.members, memberColumns, { paint, width })}${rest}`);
  }
  blocks.push(driftLine(drift, paint));
  return blocks.join('\n');
}

function renderLane(
  { lane, head, tenants, warm, off_head, versions }: Lane,
  paint: Paint,
  width: number | undefined,
): string {
  const standing = off_head === 0 ? paint('green', 'all at the head') : paint('yellow', `${off_head} not at the head`);
  const at = head === null ? 'no head' : `head ${printable(head.name)} (${head.version})`;
  const title = `${paint('bold', printable(lane))}  ${at}  ${tenants} tenants, ${warm} warm  ${standing}\n`;
  return versions.length === 0 ? title : title + renderTable(versions, versionColumns, { paint, width });
}

const versionColumns: readonly Column<Version>[] = [
  { title: 'VERSION', cell: (row) => row.version ?? 'none' },
  { title: 'RELEASE', cell: (row) => row.release ?? (row.version === null ? '-' : 'part of the way') },
  { title: 'TENANTS', cell: (row) => row.tenants, align: 'right' },
  { title: 'WARM', cell: (row) => row.warm, align: 'right' },
  {
    title: 'CLUSTERS',
    cell: (row) => row.clusters.map(({ cluster, tenants, warm }) => `${cluster} ${tenants + warm}`).join(', '),
    shrinks: true,
  },
  {
    title: 'HEAD',
    cell: (row) => (row.is_head ? 'yes' : 'no'),
    paint: (text, row, paint) => paint(row.is_head ? 'green' : 'yellow', text),
  },
];

const memberColumns: readonly Column<Member>[] = [
  { title: 'TENANT', cell: (row) => row.slug ?? row.database_id },
  { title: 'CLUSTER', cell: (row) => row.cluster },
  { title: 'LANE', cell: (row) => row.lane },
  {
    title: 'STATE',
    cell: (row) => row.state,
    paint: (text, row, paint) => paint(row.state === 'failed' ? 'red' : 'dim', text),
  },
  { title: 'CODE', cell: (row) => row.sqlstate ?? row.code },
  { title: 'WHY', cell: (row) => row.skip_reason ?? row.message, shrinks: true },
];

function rolloutLine(rollout: FleetStatusView['rollouts'][number], paint: Paint): string {
  const { id, kind, lane, release, state, members, requested, wave } = rollout;
  const counts = Object.entries(members).map(([name, count]) => `${count} ${name}`);
  const color = state === 'halted' ? 'red' : state === 'running' ? 'cyan' : 'yellow';
  const parts = [
    `${kind} ${printable(lane)}${release === null ? '' : ` to ${printable(release)}`}`,
    ...(wave === null ? [] : [`wave ${printable(wave.name)} ${wave.state}`]),
    counts.join(', '),
    ...(requested === 0 ? [] : [`${requested} asked for`]),
  ];
  return `${paint(color, state)}  ${parts.join('  ')}  ${paint('dim', id)}\n`;
}

function driftLine(
  { tenants, checked, drifted, adopted, oldest_check_at }: FleetStatusView['drift'],
  paint: Paint,
): string {
  if (checked === 0) return `Drift: none of ${tenants} databases was looked at yet: freehold fleet drift\n`;
  const found = drifted === 0 ? paint('green', 'none drifted') : paint('red', `${drifted} drifted`);
  const since = oldest_check_at === null ? '' : `, the oldest look ${oldest_check_at.replace(/\.\d+\+00:00$/, 'Z')}`;
  return `Drift: ${found}${adopted === 0 ? '' : `, ${adopted} adopted`}; ${checked} of ${tenants} looked at${since}\n`;
}
