// Owns `freehold fleet dry-run` (and `fleet migrate --dry-run`): what each file of a release takes, locks and writes again, tried in
// scratch databases at every version at which tenants stand, or on a copy of one tenant's. Exit code 1: it failed at one of them.
import { type Command, Option } from 'commander';
import type { DryRun, DryRunLineView } from '../../client.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { type Paint, printable } from '../paint.ts';
import { byteCount, bytesText, durationText } from '../parse-options.ts';
import { addSelectionOptions, type SelectionFlags, selectionOf } from '../selection-options.ts';

export type CloneFlags = { cloneTenant?: string; cloneMax?: number };
export type DryRunFlags = SelectionFlags & CloneFlags & { lane: 'core' | 'tenant'; to: string };

export function addFleetDryRun(fleet: Command, io: Io): void {
  const command = fleet
    .command('dry-run')
    .summary('try a release in scratch databases')
    .description(
      'Makes a scratch database for each version at which the selected tenants stand, applies the missing files to it one by one, and\n' +
        'shows what each took and locked. No tenant is touched. The tables hold no rows: locks are real, times are not. With\n' +
        '--clone-tenant it is a copy of that tenant’s database with its rows, made and dropped on its cluster. Exit code 1: it failed.',
    );
  addCloneOptions(addSelectionOptions(command))
    .addOption(new Option('--lane <lane>', 'which lane').choices(['core', 'tenant']).default('tenant'))
    .option('--to <release>', 'id or name of a release', 'latest')
    .action(action(io, dryRun));
}

export function addCloneOptions(command: Command): Command {
  return command
    .option(
      '--clone-tenant <slug>',
      'try it on a copy of this tenant’s database: the tenant is suspended, or nobody is in it',
    )
    .addOption(
      new Option('--clone-max <size>', 'copy a database of at most this size (default: 10GB)').argParser(byteCount),
    );
}

export async function dryRun(cli: Cli, flags: DryRunFlags): Promise<void> {
  const client = await cli.client();
  cli.io.refusedCode = exitCodes.failed;
  const lines: DryRunLineView[] = [];
  for await (const line of client.fleet.dryRun(wishOf(flags))) {
    lines.push(line);
    if (!cli.json) cli.print(renderDryRunLine(line, cli.paintOut));
  }
  if (lines.some(({ type }) => type === 'failed')) cli.io.exitCode = exitCodes.failed;
  if (cli.json) cli.showDocument(lines);
}

/** A selection beside a tenant to copy is for the server to refuse. */
function wishOf({ cloneTenant, cloneMax, ...flags }: DryRunFlags): DryRun {
  const selection = selectionOf(flags);
  return {
    lane: flags.lane,
    release: flags.to,
    ...(Object.keys(selection).length > 0 && { selection }),
    ...(cloneTenant !== undefined && { clone_tenant: cloneTenant }),
    ...(cloneMax !== undefined && { clone_max_bytes: cloneMax }),
  };
}

/** Exported for its test. */
export function renderDryRunLine(line: DryRunLineView, paint: Paint): string {
  switch (line.type) {
    case 'begin': {
      const head = `dry run of ${printable(line.release)} (${line.version})`;
      const copy =
        line.clone === null ? '' : ` on a copy of ${printable(line.clone.slug)}, ${bytesText(line.clone.bytes)}`;
      const none = line.starts.length === 0 ? '\nNobody is behind it: there is nothing to try.' : '';
      return `${paint('bold', `${head}${copy}`)}${none}\n`;
    }
    case 'file': {
      const locks =
        line.locks === null
          ? ['  outside of one transaction: its locks were not looked at']
          : line.locks.map((lock) => `  ${paint(colorOf(lock.mode), lock.mode)} on ${sizedText(lock)}`);
      const rewritten = line.rewritten.map(
        (table) => `  ${paint('red', 'every row written again')} of ${sizedText(table)}`,
      );
      const title = `${paint('green', '✓')} ${printable(line.name)}  ${durationText(line.duration_ms)}`;
      return `${[`${fromText(line)}${title}`, ...locks, ...rewritten].join('\n')}\n`;
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

/** An empty table needs no size. */
function sizedText({ relation, bytes, rows }: { relation: string; bytes: number; rows: number | null }): string {
  const size = rows === null || rows === 0 ? '' : ` (${Math.round(rows)} rows, ${bytesText(bytes)})`;
  return `${printable(relation)}${size}`;
}

function fromText({ from_version, server_major }: { from_version: string; server_major: number }): string {
  return `from ${printable(from_version || 'nothing')} on PostgreSQL ${server_major}: `;
}

/** Readers wait for the last one, writers for the others. */
function colorOf(mode: string): 'red' | 'yellow' | 'dim' {
  if (mode === 'AccessExclusiveLock') return 'red';
  return /^(Share|ShareRowExclusive|Exclusive)Lock$/.test(mode) ? 'yellow' : 'dim';
}
