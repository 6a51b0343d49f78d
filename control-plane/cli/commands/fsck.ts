// Owns `freehold fsck`: the report as a table with a next step for each finding. Exit code 0 means clean, 5 that something was found.
import type { Command } from 'commander';
import type { FsckReportView } from '../../client.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { printable } from '../paint.ts';
import { type Column, renderTable } from '../table.ts';

type Finding = FsckReportView['findings'][number];

export function addFsck(program: Command, io: Io): void {
  program
    .command('fsck')
    .summary('compare the catalog with every cluster')
    .description(
      'Compares the catalog with every cluster and names everything without a counterpart or with a wrong owner, grant or\nidentity. Reads only. Exit code 0: clean; 5: something was found.',
    )
    .option('--no-deep', 'look into no database: quicker, and blind to what is wrong inside')
    .action(action(io, fsck));
}

async function fsck(cli: Cli, { deep }: { deep: boolean }): Promise<void> {
  const client = await cli.client();
  cli.note('Looking at the catalog and every cluster …');
  const report = await client.fsck({ deep });
  if (!report.clean) cli.io.exitCode = exitCodes.findings;
  if (cli.json) {
    cli.showDocument(report);
    return;
  }
  const checked = Object.entries(report.checked).map(([kind, count]) => `${count} ${kind.replaceAll('_', ' ')}`);
  cli.note(`Looked at ${checked.length === 0 ? 'the installation' : checked.join(', ')}.`);
  for (const { kind, operation_id } of report.in_progress) {
    cli.note(`In progress, and no finding: ${printable(kind)} ${printable(operation_id)}`);
  }
  if (report.findings.length > 0) cli.print(renderFindings(cli, report.findings));
  if (report.clean) cli.print(`${cli.paintOut('green', '✓')} clean\n`);
  cli.note('Tables, columns, indexes and the like are compared by `freehold fleet drift`.');
}

function renderFindings(cli: Cli, findings: readonly Finding[]): string {
  const { paintOut: paint } = cli;
  const width = cli.io.stdout.isTTY ? cli.io.stdout.columns : undefined;
  const table = renderTable(findings, columns, { paint, width });
  const advice = new Map(findings.map((finding) => [finding.code, finding]));
  const next = [...advice.values()].map(
    ({ code, cause, next }) =>
      `${paint('bold', printable(code))}\n  ${printable(cause)}\n  ${paint('cyan', '→')} ${printable(next)}\n`,
  );
  return `${table}\n${next.join('')}`;
}

const columns: readonly Column<Finding>[] = [
  {
    title: 'SEVERITY',
    cell: (row) => row.severity,
    paint: (text, row, paint) =>
      paint(row.severity === 'error' ? 'red' : row.severity === 'warning' ? 'yellow' : 'dim', text),
  },
  { title: 'CODE', cell: (row) => row.code },
  { title: 'OBJECT', cell: (row) => row.object },
  { title: 'WHERE', cell: (row) => row.tenant_id ?? row.database_id ?? row.cluster_id },
  { title: 'MESSAGE', cell: (row) => row.message, shrinks: true },
];
