// Owns asking people: the name of what is about to be destroyed, or a secret that must not be shown. Without a terminal nothing
// is asked: the command says which flag to give instead.

import readline from 'node:readline/promises';
import { text as readAll } from 'node:stream/consumers';
import type { Cli } from './cli.ts';
import { CliError } from './cli-error.ts';
import { exitCodes } from './exit-codes.ts';

/** @throws CliError when the name is not typed, or nobody can be asked */
export async function confirmByName(cli: Cli, what: string, name: string, yes: boolean | undefined): Promise<void> {
  if (yes === true) return;
  const { stdin, stderr } = cli.io;
  if (!stdin.isTTY || !stderr.isTTY) {
    throw new CliError(`${what} Nobody can be asked here.`, { next: ['Add --yes if that is meant.'] });
  }
  const prompt = readline.createInterface({ input: stdin, output: stderr });
  // In a prompt Ctrl-C reaches the prompt, not the process.
  prompt.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    const typed = await prompt.question(`${what}\nType ${cli.paintErr('bold', name)} to go on: `);
    if (typed.trim() === name) return;
  } finally {
    prompt.close();
  }
  throw new CliError('The name does not match. Nothing was changed.', { exitCode: exitCodes.usage });
}

/** For what harms little: y is enough. @throws CliError when it is not said, or nobody can be asked */
export async function confirmSimply(cli: Cli, question: string, yes: boolean | undefined): Promise<void> {
  if (yes === true) return;
  const { stdin, stderr } = cli.io;
  if (!stdin.isTTY || !stderr.isTTY)
    throw new CliError('Nobody can be asked here.', { next: ['Add --yes if that is meant.'] });
  const prompt = readline.createInterface({ input: stdin, output: stderr });
  prompt.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    if (/^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim())) return;
  } finally {
    prompt.close();
  }
  throw new CliError('Nothing was begun.', { exitCode: exitCodes.usage });
}

/** The first line of stdin; on a terminal it is read without being shown. */
export async function readSecret(cli: Cli, question: string): Promise<string> {
  const { stdin, stderr } = cli.io;
  if (!stdin.isTTY) return (await readAll(stdin)).split('\n', 1)[0]?.trim() ?? '';
  stderr.write(question);
  stdin.setRawMode(true);
  let typed = '';
  try {
    for await (const chunk of stdin) {
      for (const sign of String(chunk)) {
        if (sign === '\x03') process.kill(process.pid, 'SIGINT');
        else if (sign === '\r' || sign === '\n' || sign === '\x04') return typed;
        else if (sign === '\x7f' || sign === '\b') typed = typed.slice(0, -1);
        else typed += sign;
      }
    }
    return typed;
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}
