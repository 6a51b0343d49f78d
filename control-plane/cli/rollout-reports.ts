// Owns the report files of a rollout for those who keep them: JSON with every member, and JUnit, where each database is a test.
import fs from 'node:fs';
import type { RolloutMember, RolloutView } from '../client.ts';
import type { Cli } from './cli.ts';
import { CliError } from './cli-error.ts';
import { exitCodes } from './exit-codes.ts';

export type ReportFlags = { reportJunit?: string; reportJson?: string };

/** Reads the members once more, so that the report holds all of them whenever we began to look. */
export async function writeReports(cli: Cli, rollout: RolloutView, flags: ReportFlags): Promise<void> {
  const { reportJunit, reportJson } = flags;
  if (reportJunit === undefined && reportJson === undefined) return;
  const members = await Array.fromAsync((await cli.client()).rollouts.members(rollout.id).list({ limit: 200 }));
  if (reportJson !== undefined) write(reportJson, `${JSON.stringify({ rollout, members }, null, 2)}\n`);
  if (reportJunit !== undefined) write(reportJunit, junitOf(rollout, members));
}

/** @throws CliError before anything is begun, where a file could not be written in the end */
export function checkReportFiles({ reportJunit, reportJson }: ReportFlags): void {
  for (const file of [reportJunit, reportJson]) if (file !== undefined) write(file, '');
}

function write(file: string, text: string): void {
  try {
    fs.writeFileSync(file, text);
  } catch (cause) {
    throw new CliError(`The report ${file} cannot be written.`, { exitCode: exitCodes.failed, cause });
  }
}

export function junitOf(
  { id, kind, lane }: Pick<RolloutView, 'id' | 'kind' | 'lane'>,
  members: readonly RolloutMember[],
): string {
  const failed = members.filter(({ state }) => state === 'failed').length;
  const skipped = members.filter(({ state }) => isSkipped(state)).length;
  const seconds = (ms: number | null) => ((ms ?? 0) / 1_000).toFixed(3);
  const cases = members.map((member) => {
    const name = member.slug ?? member.database_id;
    const head = `    <testcase classname="${xml(member.cluster.name)}" name="${xml(name)}" time="${seconds(member.duration_ms)}"`;
    const inside = insideOf(member);
    return inside === '' ? `${head}/>` : `${head}>${inside}</testcase>`;
  });
  const totals = `tests="${members.length}" failures="${failed}" skipped="${skipped}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${totals}>`,
    `  <testsuite name="${xml(`freehold ${kind} ${lane} ${id}`)}" ${totals} errors="0">`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function insideOf({ state, error, skip_reason: reason }: RolloutMember): string {
  if (state === 'failed') {
    const text = JSON.stringify(error, null, 2);
    return `<failure type="${xml(error?.sqlstate ?? error?.code ?? '')}" message="${xml(error?.message ?? '')}">${xml(text)}</failure>`;
  }
  return isSkipped(state) ? `<skipped message="${xml(reason ?? state)}"/>` : '';
}

/** What has not been touched is neither passed nor failed. */
function isSkipped(state: RolloutMember['state']): boolean {
  return state === 'skipped' || state === 'gone' || state === 'pending' || state === 'running';
}

/** What XML 1.0 cannot hold at all becomes a visible sign. */
function xml(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
