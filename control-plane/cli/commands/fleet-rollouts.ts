// Owns looking at rollouts: `freehold fleet list`, `show`, `members` and `watch`.
import { type Command, Option } from 'commander';
import type { Rollout, RolloutInFull, RolloutMember } from '../../client.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { addListOptions, type ListOptions, readRows } from '../list-rows.ts';
import { durationMs, durationText, wholeNumber } from '../parse-options.ts';
import { renderRollout } from '../rollout-display.ts';
import { endedOf } from '../rollout-pace.ts';
import { checkReportFiles, type ReportFlags, writeReports } from '../rollout-reports.ts';
import { type Cell, type Column, paintState, timeCell } from '../table.ts';
import { reportRollout, watchRollout } from '../watch-rollout.ts';

const states = ['awaiting-approval', 'running', 'paused', 'halted', 'aborted', 'succeeded', 'finished'];
const memberStates = ['pending', 'running', 'done', 'noop', 'failed', 'skipped', 'gone'];

export function addFleetRollouts(fleet: Command, io: Io): void {
  const list = fleet
    .command('list')
    .summary('list rollouts, newest first')
    .description('Lists rollouts, newest first.')
    .addOption(new Option('--state <state>', 'only in this state').choices(states))
    .addOption(new Option('--lane <lane>', 'only of this lane').choices(['core', 'tenant']));
  addListOptions(list).action(action(io, listRollouts));
  fleet
    .command('show')
    .summary('show one rollout with its waves')
    .description('Shows one rollout with its waves, clusters and verdict.')
    .argument('<rollout>', 'id')
    .action(action(io, async (cli, id: string) => showRollout(cli, await (await cli.client()).rollouts.get(id))));
  const members = fleet
    .command('members')
    .summary('list the databases of a rollout and what each answered')
    .description('Lists the databases of a rollout, wave by wave, and what each answered.')
    .argument('<rollout>', 'id')
    .addOption(new Option('--state <state>', 'only in this state').choices(memberStates))
    .addOption(new Option('--wave <n>', 'only of this wave, from 1').argParser(wholeNumber(1, 1_000)))
    .option('--cluster <cluster>', 'only on this cluster (id or name)');
  addListOptions(members).action(action(io, listMembers));
  fleet
    .command('watch')
    .summary('follow a rollout until it ends or halts')
    .description(
      'Follows a rollout until it ends or halts. Ctrl-C leaves it running.\nWith --json each event is one line of JSON.',
    )
    .argument('<rollout>', 'id')
    .option('--timeout <duration>', 'follow so long at most (default: to its end)', durationMs)
    .option('--report-junit <file>', 'write a JUnit report, a test for each database')
    .option('--report-json <file>', 'write the rollout with all members as JSON')
    .action(action(io, watch));
}

type ListFlags = ListOptions & { state?: Rollout['state']; lane?: string };

async function listRollouts(cli: Cli, { state, lane, ...listing }: ListFlags): Promise<void> {
  const client = await cli.client();
  const rows = await readRows(cli, (query) => client.rollouts.list({ state, lane, ...query }), listing);
  cli.showList(rows, rolloutColumns, 'There is no such rollout.');
}

type MemberFlags = ListOptions & { state?: RolloutMember['state']; wave?: number; cluster?: string };

async function listMembers(cli: Cli, id: string, { state, wave, cluster, ...listing }: MemberFlags): Promise<void> {
  const members = (await cli.client()).rollouts.members(id);
  const filter = { state, cluster, wave: wave === undefined ? undefined : wave - 1 };
  const rows = await readRows(cli, (query) => members.list({ ...filter, ...query }), listing);
  cli.showList(rows, memberColumns, 'There is no such member.');
}

async function watch(cli: Cli, id: string, flags: ReportFlags & { timeout?: number }): Promise<void> {
  checkReportFiles(flags);
  const first = await (await cli.client()).rollouts.get(id);
  const { rollout } = await watchRollout(cli, first, flags.timeout);
  await writeReports(cli, rollout, flags);
  if (!cli.json) cli.print(`${cli.paintOut('bold', rollout.state)}\n`);
  reportRollout(cli, rollout);
}

export function showRollout(cli: Cli, rollout: RolloutInFull): void {
  cli.show(rollout, rolloutFields(rollout));
  if (cli.json || rollout.waves.length === 0) return;
  const width = cli.io.stdout.isTTY ? cli.io.stdout.columns : 1_000;
  const look = { paint: cli.paintOut, spinner: '…', width, pace: { perSec: 0, leftMs: null }, watchedMs: undefined };
  cli.print(`\n${renderRollout(rollout, look).join('\n')}\n`);
}

function rolloutFields(rollout: RolloutInFull): [string, Cell][] {
  const { verdict, approval, statement } = rollout;
  return [
    ['id', rollout.id],
    ['kind', rollout.kind],
    ['lane', rollout.lane],
    ['release', rollout.release],
    ...(statement === null ? [] : [['statement', statement] as [string, Cell]]),
    ['state', rollout.state],
    ['members', `${endedOf(rollout)} of ${rollout.members} ended, ${rollout.counts.failed} failed`],
    ['asked by', rollout.actor],
    ['approval', approval.required ? (approval.by ?? 'waits for a second person') : 'not needed'],
    [
      'selection',
      Object.keys(rollout.selection).length === 0 ? 'the whole fleet' : JSON.stringify(rollout.selection).slice(0, 200),
    ],
    ['created', timeCell(rollout.created_at)],
    ['started', timeCell(rollout.started_at)],
    ['finished', timeCell(rollout.finished_at)],
    ...(verdict === null
      ? []
      : ([
          ['rule', verdict.rule],
          ['verdict', verdict.message],
          ['evidence', JSON.stringify(verdict.evidence)],
        ] as [string, Cell][])),
  ];
}

const rolloutColumns: readonly Column<Rollout>[] = [
  { title: 'KIND', cell: (row) => row.kind },
  { title: 'LANE', cell: (row) => row.lane },
  { title: 'RELEASE', cell: (row) => row.release, shrinks: true },
  { title: 'STATE', cell: (row) => row.state, paint: (text, row, paint) => paintState(text, row.state, paint) },
  { title: 'ENDED', cell: (row) => `${endedOf(row)}/${row.members}`, align: 'right' },
  { title: 'FAILED', cell: (row) => row.counts.failed, align: 'right' },
  { title: 'CREATED', cell: (row) => timeCell(row.created_at) },
  { title: 'ID', cell: (row) => row.id },
];

const memberColumns: readonly Column<RolloutMember>[] = [
  { title: 'TENANT', cell: (row) => row.slug ?? row.database_id },
  { title: 'CLUSTER', cell: (row) => row.cluster.name },
  { title: 'WAVE', cell: (row) => row.wave + 1, align: 'right' },
  { title: 'STATE', cell: (row) => row.state, paint: (text, row, paint) => paintState(text, row.state, paint) },
  { title: 'FROM', cell: (row) => row.from_version },
  { title: 'TO', cell: (row) => row.to_version },
  { title: 'TOOK', cell: (row) => (row.duration_ms === null ? null : durationText(row.duration_ms)), align: 'right' },
  { title: 'ANSWER', cell: answerOf, shrinks: true },
];

function answerOf({ error, skip_reason: reason }: RolloutMember): Cell {
  if (error === null) return reason;
  const place = error.file === undefined ? '' : ` (${error.file}${error.line === undefined ? '' : `:${error.line}`})`;
  const more = [error.detail, error.hint, `database ${error.state_of_database}`].filter((each) => each !== undefined);
  return `${error.sqlstate ?? error.code} ${error.message}${place}; ${more.join('; ')}`;
}
