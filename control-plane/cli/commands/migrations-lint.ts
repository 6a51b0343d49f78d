// Owns `freehold migrations lint`: findings with the lines they stand in, as JSON, and as SARIF for CI. Exit code 5 where a release
// would be refused.
import fs from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import packageJson from '../../../package.json' with { type: 'json' };
import type { WrittenLane } from '../../migration-files/migration-file.ts';
import type { Finding } from '../../migration-lint/rule.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { lintSummary, renderLint } from '../lint-report.ts';
import { type FolderFlags, readFolder } from '../migration-folder.ts';
import { newestRelease, releasedCount } from '../released-files.ts';

export function addLint(command: Command, io: Io): void {
  command
    .description(
      'Lints the files of a lane with squawk and with rules of its own. Files that are released are history: --all shows theirs, and\nthey fail nothing. What is released is asked of the server; without one every file counts, each as if those before it were in use.\nA finding is waived in its file: -- freehold: allow <rule>: <reason>. Exit code 5: a release would be refused.',
    )
    .option('--after <version>', 'take the files up to this one as released, and ask no server')
    .option('--local', 'ask no server')
    .option('--all', 'also show what is found in released files')
    .option('--sarif <file>', 'write SARIF 2.1.0 too; - is stdout')
    .action(action(io, lint));
}

type LintFlags = FolderFlags & { after?: string; local?: boolean; all?: boolean; sarif?: string };

async function lint(cli: Cli, flags: LintFlags): Promise<void> {
  const folder = await readFolder(cli, flags);
  const released = await releasedOf(cli, folder.lane, flags);
  const [{ lintLane }, { isBlocking }] = await Promise.all([
    import('../../migration-lint/lint-lane.ts'),
    import('../../migration-lint/rule.ts'),
  ]);
  const findings = await lintOrSay(() => lintLane(folder.lane, { released, withHistory: flags.all === true }));
  if (flags.sarif !== undefined) await writeSarif(cli, flags.sarif, folder.path, findings);
  if (findings.some(isBlocking)) cli.io.exitCode = exitCodes.findings;
  if (flags.sarif === '-') return;
  if (cli.json) {
    cli.showDocument({ lane: folder.lane.name, folder: folder.path, released: released ?? null, findings });
    return;
  }
  cli.print(renderLint(findings, folder.lane, cli.paintOut));
  const judged = folder.lane.files.length - (released ?? 0);
  const files = `${judged}${released === undefined ? '' : ' new'} file${judged === 1 ? '' : 's'}`;
  cli.note(`${lintSummary(findings)} in ${files}.`);
}

/** Undefined: not known. */
async function releasedOf(cli: Cli, lane: WrittenLane, { after, local }: LintFlags): Promise<number | undefined> {
  if (after !== undefined) {
    if (!/^\d{1,20}$/.test(after)) throw new CliError('--after is the number that a file begins with.');
    const { isUpTo } = await import('../../migration-files/lane-hash.ts');
    return lane.files.filter((file) => isUpTo(file.name, after)).length;
  }
  if (local === true) return undefined;
  const release = await newestRelease(cli, lane.name);
  if (release === undefined) return undefined;
  const count = releasedCount(lane, release);
  const first = lane.files[count];
  if (release !== null && count < release.files.length && first !== undefined)
    cli.note(`${first.name} is not what the release ${release.name} holds in its place; a release would be refused.`);
  return count;
}

async function lintOrSay(run: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await run();
  } catch (error) {
    const { SquawkUnavailable } = await import('../../migration-lint/run-squawk.ts');
    if (!(error instanceof SquawkUnavailable)) throw error;
    throw new CliError(error.message, { code: 'linter_unavailable', exitCode: exitCodes.failed, cause: error });
  }
}

async function writeSarif(cli: Cli, file: string, folder: string, findings: readonly Finding[]): Promise<void> {
  const { sarifOf } = await import('../../migration-lint/sarif.ts');
  const relative = path.relative(process.cwd(), folder).split(path.sep).join('/');
  const sarif = sarifOf(findings, { toolVersion: packageJson.version, base: relative === '' ? '' : `${relative}/` });
  const text = `${JSON.stringify(sarif, null, 2)}\n`;
  if (file === '-') {
    cli.print(text);
    return;
  }
  try {
    fs.writeFileSync(file, text);
  } catch (cause) {
    throw new CliError(`${file} cannot be written.`, { cause });
  }
}
