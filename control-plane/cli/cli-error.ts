// Owns the one error that the command line makes by itself: a sentence, what to do next, and the exit code.
import { type ExitCode, exitCodes } from './exit-codes.ts';

export class CliError extends Error {
  readonly exitCode: ExitCode;
  /** One thing to do, per line. */
  readonly next: readonly string[];

  /** Stable, for --json; that of the API where both say the same. */
  readonly code: string;

  constructor(
    message: string,
    options: { exitCode?: ExitCode; next?: readonly string[]; code?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CliError';
    this.exitCode = options.exitCode ?? exitCodes.usage;
    this.next = options.next ?? [];
    this.code = options.code ?? 'cli';
  }
}
