// Owns findings of the linter as people read them: where, what, the lines around it, and once for each rule why and what to write
// instead.
import type { WrittenLane } from '../migration-files/migration-file.ts';
import type { Finding } from '../migration-lint/rule.ts';
import { type Paint, printable, printableLines } from './paint.ts';

/** Also of the server's, which leaves out what only the folder knows. */
export type ShownFinding = Omit<Finding, 'history'> & { history?: boolean };

export function renderLint(findings: readonly ShownFinding[], lane: WrittenLane, paint: Paint): string {
  const explained = new Set<string>();
  return findings
    .map((finding) => {
      const advice = explained.has(finding.rule) || finding.waived !== null ? [] : adviceOf(finding, paint);
      explained.add(finding.rule);
      return [headOf(finding, paint), ...frameOf(finding, lane, paint), ...advice].join('\n');
    })
    .map((text) => `${text}\n\n`)
    .join('');
}

export function lintSummary(findings: readonly ShownFinding[]): string {
  const open = findings.filter(({ waived, history }) => waived === null && history !== true);
  const count = (severity: string) => open.filter((finding) => finding.severity === severity).length;
  const part = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`;
  const waived = findings.filter((finding) => finding.waived !== null && finding.history !== true).length;
  return `${part(count('error'), 'error')}, ${part(count('warning'), 'warning')}, ${waived} waived`;
}

function headOf(finding: ShownFinding, paint: Paint): string {
  const { file, line, column, generated, severity, rule, message, waived, history } = finding;
  const word = waived === null ? paint(severity === 'error' ? 'red' : 'yellow', severity) : paint('dim', 'waived');
  const where = generated ? `${file} (line ${line} of the SQL it makes)` : `${file}:${line}:${column}`;
  const past = history === true ? paint('dim', '  released already') : '';
  const reason = waived === null ? '' : `\n  ${paint('dim', `waived: ${printable(waived)}`)}`;
  return `${word}  ${printable(where)}  ${paint('bold', printable(rule))}${past}\n  ${printable(message)}${reason}`;
}

/** The line before, the line, and a mark below the place. */
function frameOf({ file, line, column, generated }: ShownFinding, lane: WrittenLane, paint: Paint): string[] {
  const lines = textOf(lane, file, generated).split(/\r?\n/);
  const text = lines[line - 1];
  if (text === undefined) return [];
  const width = String(line).length;
  const row = (number: string, content: string) => `  ${paint('dim', `${number.padStart(width)} |`)} ${content}`;
  const clean = (content: string) => printable(content.replaceAll('\t', ' '));
  const before = lines[line - 2] ?? '';
  const mark = ' '.repeat(Math.min(column - 1, text.length)) + paint('red', '^');
  return [
    ...(before.trim() === '' ? [] : [row(String(line - 1), clean(before))]),
    row(String(line), clean(text)),
    row('', mark),
  ];
}

function textOf(lane: WrittenLane, entry: string, generated: boolean): string {
  for (const { written } of lane.files) {
    const source = written.entries.find(({ name }) => name === entry);
    if (source !== undefined) return generated ? (written.up?.text ?? '') : source.text;
  }
  return '';
}

function adviceOf({ why, remedy, example }: ShownFinding, paint: Paint): string[] {
  return [
    `  ${paint('dim', 'why')}  ${printable(why)}`,
    `  ${paint('cyan', '→')}    ${printable(remedy)}`,
    ...(example === '' ? [] : printableLines(example).map((each) => `       ${each}`)),
  ];
}
