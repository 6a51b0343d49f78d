// Owns `freehold fleet drift`: a sweep with a readable diff of what has drifted, --adopt with a reason, --repair of what is safe.
// Exit code 5: something has drifted; 1: nothing has, but not everybody could be looked at.
import { type Command, Option } from 'commander';
import type { FleetDriftLine, SchemaDifferenceView } from '../../client.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { type Paint, printable, printableLines } from '../paint.ts';
import { durationText, wholeNumber } from '../parse-options.ts';
import { addSelectionOptions, type SelectionFlags, selectionOf } from '../selection-options.ts';

type Flags = SelectionFlags & { adopt?: boolean; reason?: string; repair?: boolean; concurrency: number };
type Looked = Extract<FleetDriftLine, { type: 'checked' | 'repaired' }>;
type Unanswered = Extract<FleetDriftLine, { type: 'unanswered' }>;
type Summary = Extract<FleetDriftLine, { type: 'summary' }>;

export function addFleetDrift(fleet: Command, io: Io): void {
  const command = fleet
    .command('drift')
    .summary('compare every schema with its version')
    .description(
      'Reads the schema of every selected database in one query, compares it with that of its version, and shows what differs.\nExit code 5: something has drifted; 1: nothing has, but not everybody could be looked at.',
    );
  addSelectionOptions(command)
    .addOption(new Option('--adopt', 'accept what the last look has found, until it changes again').conflicts('repair'))
    .addOption(new Option('--reason <text>', 'why it is accepted; needed with --adopt'))
    .addOption(new Option('--repair', 'mend grants, plain indexes and settings of logins; the rest stays named'))
    .addOption(
      new Option('--concurrency <n>', 'databases at once on each cluster').default(4).argParser(wholeNumber(1, 32)),
    )
    .action(action(io, drift));
}

async function drift(cli: Cli, flags: Flags): Promise<void> {
  const client = await cli.client();
  const selection = selectionOf(flags);
  if (flags.adopt === true) return adopt(cli, flags);
  const sweep = { selection, concurrency: flags.concurrency };
  const lines = flags.repair === true ? client.fleet.repairDrift(sweep) : client.fleet.sweepDrift(sweep);
  const looked: Looked[] = [];
  const unanswered: Unanswered[] = [];
  let summary: Summary | undefined;
  for await (const line of lines) {
    if (line.type === 'summary') summary = line;
    else if (line.type === 'unanswered') unanswered.push(line);
    else if (line.type === 'checked' || line.type === 'repaired') {
      looked.push(line);
      if (!cli.json && isTold(line)) cli.print(renderLooked(line, cli.paintOut));
    }
  }
  if (looked.some(({ drifted }) => drifted)) cli.io.exitCode = exitCodes.findings;
  else if (unanswered.length > 0) cli.io.exitCode = exitCodes.failed;
  if (cli.json) {
    const told = looked.filter(isTold).map(({ type: _, ...line }) => line);
    cli.showDocument({ databases: told, unanswered: unanswered.map(({ type: _, ...line }) => line), summary });
  } else tellRest(cli, unanswered, summary);
}

async function adopt(cli: Cli, flags: Flags): Promise<void> {
  const { reason } = flags;
  if (reason === undefined)
    throw new CliError('Say why it is accepted: it stands beside the difference.', { next: ['--adopt --reason "…"'] });
  const adopted = await (await cli.client()).fleet.adoptDrift({ selection: selectionOf(flags), reason });
  if (cli.json) cli.showDocument({ adopted });
  else for (const { slug } of adopted) cli.print(`${cli.paintOut('green', '✓')} ${printable(slug)} adopted\n`);
}

function isTold(line: Looked): boolean {
  return line.drifted || (line.type === 'repaired' && line.repairs.length > 0);
}

/** Exported for its test. */
export function renderLooked(line: Looked, paint: Paint): string {
  const state = line.drifted ? paint('red', 'drifted') : paint('green', 'as its version says');
  const lines = [`${paint('bold', printable(line.slug))} ${paint('dim', printable(line.cluster))}  ${state}`];
  if (line.type === 'repaired') {
    for (const { statement, error } of line.repairs) {
      lines.push(`  ${error === null ? paint('green', '✓') : paint('red', '✗')} ${oneLine(statement)}`);
      if (error !== null) lines.push(`    ${printable(error.message)} [${error.sqlstate}]`);
    }
  }
  for (const difference of line.drifted ? line.differences : []) lines.push(...renderDifference(difference, paint));
  return `${lines.join('\n')}\n`;
}

function renderDifference(difference: SchemaDifferenceView, paint: Paint): string[] {
  const { kind, object, change, expected, found, repairable, statements } = difference;
  const color = change === 'missing' ? 'red' : change === 'unexpected' ? 'green' : 'yellow';
  const note = repairable ? `  ${paint('cyan', 'repairable')}` : '';
  return [
    `  ${paint(color, change)} ${printable(kind)} ${printable(object)}${note}`,
    ...sideLines('-', expected).map((text) => `    ${paint('red', text)}`),
    ...sideLines('+', found).map((text) => `    ${paint('green', text)}`),
    ...statements.map((statement) => `    ${paint('dim', '→')} ${oneLine(statement)}`),
  ];
}

/** A function may have hundreds of lines; --json has them all. */
const sideLinesMax = 12;

function sideLines(sign: '-' | '+', text: string | null): string[] {
  if (text === null || text === '') return [];
  const lines = printableLines(text.trimEnd());
  const shown = lines.slice(0, sideLinesMax).map((line) => `${sign} ${line}`);
  return lines.length > sideLinesMax ? [...shown, `${sign} … ${lines.length - sideLinesMax} more lines`] : shown;
}

function oneLine(statement: string): string {
  return printable(statement.replaceAll(/\s+/g, ' '));
}

function tellRest(cli: Cli, unanswered: readonly Unanswered[], summary: Summary | undefined): void {
  for (const { slug, cluster, code, message } of unanswered)
    cli.note(
      `${cli.paintErr('red', '✗')} ${printable(slug)} (${printable(cluster)}): ${printable(message)} [${printable(code)}]`,
    );
  if (summary === undefined) return;
  const { databases, checked, drifted, adopted, duration_ms } = summary;
  const sign = drifted > 0 ? cli.paintErr('red', '✗') : cli.paintErr('green', '✓');
  cli.note(
    `${sign} ${checked} of ${databases} databases looked at in ${durationText(duration_ms)}: ${drifted} drifted, ${adopted} adopted.`,
  );
}
