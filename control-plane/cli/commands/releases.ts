// Owns `freehold releases`: what the server holds of a lane, and sending it a folder to make a release of.
import type { Command } from 'commander';
import type { LintFinding, NewRelease, Release, ReleaseDetail } from '../../client.ts';
import type { MigrationScript, WrittenFile } from '../../migration-files/migration-file.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { lintSummary, renderLint } from '../lint-report.ts';
import { addListOptions, type ListOptions, readRows } from '../list-rows.ts';
import { type FolderFlags, type MigrationFolder, readFolder } from '../migration-folder.ts';
import { printable } from '../paint.ts';
import { type Cell, type Column, timeCell } from '../table.ts';
import { addFolderOptions } from './migrations.ts';

export function addReleases(program: Command, io: Io): void {
  const noun = program
    .command('releases')
    .summary('create, list and show releases')
    .description(
      'Releases: immutable snapshots of a lane. A rollout (`freehold fleet migrate`) brings databases to one.',
    );
  addFolderOptions(noun.command('create').summary('release a folder (dba)'))
    .description(
      'Sends all files of a lane to the server, which parses, compares and lints them again. Builder files are run here, and their SQL\nis sent. No database is touched. The same content again gives the release that is there.',
    )
    .option('--name <name>', 'default: the version')
    .option('--notes <text>', 'what it is for')
    .option('--app-min <version>', 'the oldest schema version its application runs on')
    .option('--app-max <version>', 'the newest one')
    .action(action(io, createRelease));
  addListOptions(noun.command('list').summary('list releases').description('Lists releases, newest first.'))
    .option('--lane <lane>', 'of one lane')
    .action(action(io, listReleases));
  noun
    .command('show')
    .summary('show a release')
    .description('Shows a release with its files and what the linter found; with --sql its SQL.')
    .argument('<release>', 'id, name of the lane tenant, lane/name, or latest')
    .option('--sql', 'its SQL, file by file')
    .option('--from <version>', 'with --sql: only files after this one')
    .option('--to <version>', 'with --sql: only files up to this one')
    .option('--down', 'with --sql: the way back')
    .action(action(io, showRelease));
}

type CreateFlags = FolderFlags & { name?: string; notes?: string; appMin?: string; appMax?: string };

async function createRelease(cli: Cli, flags: CreateFlags): Promise<void> {
  const client = await cli.client();
  const folder = await readFolder(cli, flags);
  cli.note(`Sending ${folder.lane.files.length} files up to ${folder.lane.version} …`);
  const release = await client.releases
    .create({
      lane: flags.lane,
      files: folder.lane.files.flatMap(sent),
      ...(flags.name !== undefined && { name: flags.name }),
      ...(flags.notes !== undefined && { notes: flags.notes }),
      ...(flags.appMin !== undefined && { app_min: flags.appMin }),
      ...(flags.appMax !== undefined && { app_max: flags.appMax }),
    })
    .catch((error: unknown) => {
      showRefusal(cli, error, folder);
      throw error;
    });
  showWhole(cli, release);
  if (!release.is_head)
    cli.note('New databases get it when a rollout has brought the fleet there: freehold fleet migrate');
}

function sent({ written, up, down, program }: WrittenFile): NewRelease['files'] {
  const bare = ({ transaction, statements }: MigrationScript) => ({ transaction, statements: [...statements] });
  const makes = program === null ? { up: bare(up), down: down === null ? null : bare(down) } : null;
  const { entries, imports } = written;
  const built = { makes, ...(imports !== undefined && { imports }) };
  return entries.map(({ name, text }) => ({ name, text, ...(!/\.sql$/.test(name) && built) }));
}

/** With the lines of the files, which the server does not give back. */
function showRefusal(cli: Cli, error: unknown, { lane }: MigrationFolder): void {
  const { code, extra } = error as { code?: unknown; extra?: { findings?: LintFinding[] } };
  if (code === 'lint_failed' && !cli.json) cli.io.stderr.write(renderLint(extra?.findings ?? [], lane, cli.paintErr));
}

async function listReleases(cli: Cli, { lane, ...listing }: ListOptions & { lane?: string }): Promise<void> {
  const client = await cli.client();
  const rows = await readRows(cli, (query) => client.releases.list({ ...query, lane }), listing);
  cli.showList(rows, columns, 'There is no release.');
}

const columns: readonly Column<Release>[] = [
  { title: 'NAME', cell: (row) => row.name },
  { title: 'LANE', cell: (row) => row.lane },
  { title: 'VERSION', cell: (row) => row.version },
  { title: 'FILES', cell: (row) => row.files, align: 'right' },
  { title: 'HEAD', cell: (row) => (row.is_head ? 'yes' : null) },
  { title: 'CONTRACT AFTER', cell: (row) => row.contract_requires },
  { title: 'WARNINGS', cell: (row) => row.warnings, align: 'right' },
  { title: 'WAIVED', cell: (row) => row.errors_waived, align: 'right' },
  { title: 'NOTES', cell: (row) => row.notes, shrinks: true },
  { title: 'CREATED', cell: (row) => timeCell(row.created_at) },
  { title: 'ID', cell: (row) => row.id },
];

type ShowFlags = { sql?: boolean; from?: string; to?: string; down?: boolean };

async function showRelease(cli: Cli, asked: string, { sql, from, to, down }: ShowFlags): Promise<void> {
  const client = await cli.client();
  const release = /^rel_/.test(asked) || asked.includes('/') ? asked : `tenant/${asked}`;
  if (sql !== true) {
    showWhole(cli, await client.releases.get(release));
    return;
  }
  const files = await client.releases.sql(release, { from, to, direction: down === true ? 'down' : 'up' });
  if (cli.json) {
    cli.showDocument(files);
    return;
  }
  for (const { name, direction, transaction, statements } of files) {
    const how = transaction ? 'in a transaction' : 'statement by statement';
    const text = statements.map((statement) => statement.trim()).join(transaction ? '' : ';\n');
    cli.print(`-- ${printable(name)}, ${direction}, ${how}\n${text}\n\n`);
  }
}

function showWhole(cli: Cli, release: ReleaseDetail): void {
  const fields: [string, Cell][] = [
    ['id', release.id],
    ['name', release.name],
    ['lane', release.lane],
    ['version', release.version],
    ['head', release.is_head ? 'yes' : 'no'],
    ['contract after', release.contract_requires],
    ['application', `${release.app_min ?? 'any'} to ${release.app_max ?? 'any'}`],
    ['linter', lintSummary(release.findings)],
    ['notes', release.notes],
    ['created', `${timeCell(release.created_at)} by ${release.created_by}`],
    ...release.files.map((file, index): [string, Cell] => [index === 0 ? 'files' : '', fileCell(file)]),
  ];
  cli.show(release, fields);
}

function fileCell({ name, transaction, reversible, program }: ReleaseDetail['files'][number]): string {
  const how = program ? 'program' : transaction ? '' : 'by statement';
  return [name, how, reversible ? '' : 'no way back'].filter((part) => part !== '').join(', ');
}
