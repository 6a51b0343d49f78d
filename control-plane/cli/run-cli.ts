// Owns one run of the command line in this process: what went wrong is told, the exit code is one of exit-codes.ts. Ctrl-C ends at
// once and says what goes on without us.
import { type Command, CommanderError } from 'commander';
import type { Io } from './cli.ts';
import { exitCodes } from './exit-codes.ts';
import { createPaint } from './paint.ts';
import { tellError } from './problem-text.ts';
import { findTarget } from './profile.ts';
import { createProgram } from './program.ts';

/** Ends the process. */
export async function runCli(argv: readonly string[]): Promise<void> {
  const { stdin, stdout, stderr, env } = process;
  const io: Io = { stdin, stdout, stderr, env, farewell: undefined, exitCode: exitCodes.ok };
  process.on('SIGINT', () => {
    const lines = io.farewell?.() ?? [];
    stderr.write(`\n${lines.map((line) => `${line}\n`).join('')}`);
    process.exit(exitCodes.interrupted);
  });
  // `freehold tenants list | head` closes our stdout early: that is no failure.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.ok);
    throw error;
  });
  const program = createProgram(io);
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    io.exitCode = tell(io, program, error);
  }
  // Idle connections of the client would hold the process for seconds. What was written is waited for: a pipe may be slow.
  stdout.write('', () => stderr.write('', () => process.exit(io.exitCode)));
}

function tell(io: Io, program: Command, error: unknown): Io['exitCode'] {
  if (error instanceof CommanderError) {
    // Commander has written its message. Help and version are answers; everything else is wrong usage.
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  }
  const flags = program.opts<{ url?: string; apiKey?: string; profile?: string; json?: boolean }>();
  const told = tellError(error, { paint: createPaint(io.stderr), json: flags.json === true, url: urlFor(io, flags) });
  io.stderr.write(told.text);
  const refused = error instanceof Error && error.name === 'ApiProblem';
  return refused ? (io.refusedCode ?? told.exitCode) : told.exitCode;
}

function urlFor(io: Io, flags: { url?: string; apiKey?: string; profile?: string }): string | undefined {
  try {
    return findTarget(flags, io.env).url;
  } catch {
    return undefined;
  }
}
