// Owns running the command line in tests: the real program in a process of its own, with an environment that holds nothing of the
// machine but what is said here.
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { projectRoot } from './source-files.ts';

export type CliRun = { code: number | null; stdout: string; stderr: string };

export type CliOptions = { env?: Record<string, string>; stdin?: string };

export type RunningCli = { child: ChildProcess; output: CliRun; ended: Promise<CliRun> };

export const cliProgram = path.join(projectRoot, 'control-plane/cli/freehold.ts');

/** `home` is HOME of the process: its profile and its cache of compiled code. */
export function startCli(home: string, args: readonly string[], { env = {}, stdin }: CliOptions = {}): RunningCli {
  return startProgram(process.execPath, [cliProgram, ...args], { HOME: home, PATH: '/usr/bin:/bin', ...env }, stdin);
}

export function startProgram(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
  stdin?: string,
): RunningCli {
  const child = spawn(program, args, { env, stdio: 'pipe' });
  const output: CliRun = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  // A program that ends without reading its stdin closes the pipe.
  child.stdin.on('error', () => {});
  child.stdin.end(stdin ?? '');
  const ended = new Promise<CliRun>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(Object.assign(output, { code })));
  });
  return { child, output, ended };
}
