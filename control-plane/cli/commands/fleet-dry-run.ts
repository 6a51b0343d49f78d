// Owns `freehold fleet dry-run` (and `fleet migrate --dry-run`): what each file of a release takes and locks, tried in scratch
// databases at every version at which tenants stand. Exit code 1: it failed at one of them.
import { type Command, Option } from 'commander';
import type { DryRunLineView } from '../../client.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { type Paint, printable } from '../paint.ts';
import { durationText } from '../parse-options.ts';
import { addSelectionOptions, type SelectionFlags, selectionOf } from '../selection-options.ts';

export type DryRunFlags = SelectionFlags & { lane: 'core' | 'tenant'; to: string };

export function addFleetDryRun(fleet: Command, io: Io): void {
  const command = fleet
    .command('dry-run')
    .summary('try a release in scratch databases')
    .description(
      'Makes a scratch database for each version at which the selected tenants stand, applies the missing files to it one by one, and\n' +
        'shows what each took and locked. No tenant is touched. The tables hold no rows: locks are real, times are not. Exit code 1: it failed.',
    );
  addSelectionOptions(command)
    .addOption(new Option('--lane <lane>', 'which lane').choices(['core', 'tenant']).default('tenant'))
    .option('--to <release>', 'id or name of a release', 'latest')
    .action(action(io, dryRun));
}

export async function dryRun(cli: Cli, flags: DryRunFlags): Promise<void> {
  const client = await cli.client();
  cli.io.refusedCode = exitCodes.failed;
  const lines: DryRunLineView[] = [];
  const wanted = { lane: flags.lane, release: flags.to, selection: selectionOf(flags) };
  for await (const line of client.fleet.dryRun(wanted)) {
    lines.push(line);
    if (!cli.json) cli.print(renderDryRunLine(line, cli.paintOut));
  }
  if (lines.some(({ type }) => type === 'failed')) cli.io.exitCode = exitCodes.failed;
  if (cli.json) cli.showDocument(lines);
}

/** Exported for its test. */
export function renderDryRunLine(line: DryRunLineView, paint: Paint): string {
  switch (line.type) {
    case 'begin': {
      const head = `dry run of ${printable(line.release)} (${line.version})`;
      const none = line.starts.length === 0 ? '\nNobody is behind it: there is nothing to try.' : '';
      return `${paint('bold', head)}${none}\n`;
    }
    case 'file': {
      const locks =
        line.locks === null
          ? ['  outside of one transaction: its locks were not looked at']
          : line.locks.map(({ relation, mode }) => `  ${paint(colorOf(mode), mode)} on ${printable(relation)}`);
      const title = `${paint('green', '✓')} ${printable(line.name)}  ${durationText(line.duration_ms)}`;
      return `${[`${fromText(line)}${title}`, ...locks].join('\n')}\n`;
    }
    case 'failed': {
      const { message, sqlstate, line: at, hint } = line.error;
      const where = `${printable(line.file ?? 'before the first file')}${at === undefined ? '' : `:${at}`}`;
      const state = sqlstate === undefined ? '' : ` [${sqlstate}]`;
      const next = hint === undefined ? '' : `\n  ${paint('cyan', '→')} ${printable(hint)}`;
      return `${fromText(line)}${paint('red', '✗')} ${where}: ${printable(message)}${state}${next}\n`;
    }
    case 'passed':
      return '';
    case 'summary': {
      const sign = line.failed > 0 ? paint('red', '✗') : paint('green', '✓');
      return `${sign} ${line.passed} of ${line.starts} versions passed in ${durationText(line.duration_ms)}; nothing was begun.\n`;
    }
    default:
      return '';
  }
}

function fromText({ from_version, server_major }: { from_version: string; server_major: number }): string {
  return `from ${printable(from_version || 'nothing')} on PostgreSQL ${server_major}: `;
}

/** Readers wait for the last one, writers for the others. */
function colorOf(mode: string): 'red' | 'yellow' | 'dim' {
  if (mode === 'AccessExclusiveLock') return 'red';
  return /^(Share|ShareRowExclusive|Exclusive)Lock$/.test(mode) ? 'yellow' : 'dim';
}
