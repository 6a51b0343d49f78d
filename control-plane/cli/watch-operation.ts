// Owns waiting for an operation: shows its steps, ends with its final state, by --timeout or by Ctrl-C. The operation itself
// belongs to the server: when we stop looking it goes on, and we say how to look again.
import type { Operation, OperationWithSteps } from '../client.ts';
import type { Cli } from './cli.ts';
import { CliError } from './cli-error.ts';
import { exitCodes } from './exit-codes.ts';
import { durationText } from './parse-options.ts';
import { createLiveDisplay, createPlainDisplay } from './steps-display.ts';

export const waitDefaultMs = 60_000;

export type WatchOptions = {
  timeoutMs?: number | undefined;
  /** Called with each state, for --json. */
  onChange?: (operation: OperationWithSteps) => void;
};

/** @throws CliError 'unfinished' when the time is over */
export async function watchOperation(
  cli: Cli,
  started: Pick<Operation, 'id' | 'kind'>,
  { timeoutMs, onChange }: WatchOptions = {},
): Promise<OperationWithSteps> {
  const client = await cli.client();
  const { stderr } = cli.io;
  const live = stderr.isTTY && cli.io.env.TERM !== 'dumb';
  const display = live ? createLiveDisplay(stderr, cli.paintErr) : createPlainDisplay((line) => cli.note(`  ${line}`));
  const lookAgain = `freehold operations watch ${started.id}`;
  cli.io.farewell = () => {
    display.stop();
    return [`Stopped watching: ${started.kind} goes on on the server.`, `Look again: ${lookAgain}`];
  };
  if (cli.talks) stderr.write(`${cli.paintErr('bold', started.kind)} ${cli.paintErr('dim', started.id)}\n`);
  const signal = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  let latest: OperationWithSteps | undefined;
  try {
    for await (const operation of client.operations.follow(started.id, signal)) {
      latest = operation;
      onChange?.(operation);
      if (cli.talks) display.update(operation);
    }
  } catch (error) {
    if (signal?.aborted !== true) {
      cli.note(`We lost sight of ${started.kind}; it goes on on the server. Look again: ${lookAgain}`);
      throw error;
    }
  } finally {
    display.stop();
    cli.io.farewell = undefined;
  }
  if (latest === undefined || latest.finished_at === null) {
    throw new CliError(
      `${started.kind} is not finished after ${durationText(timeoutMs ?? 0)}; it goes on on the server.`,
      {
        exitCode: exitCodes.unfinished,
        next: [lookAgain],
      },
    );
  }
  return latest;
}

/** Says how it ended. @throws CliError 'failed' unless it ended as was `wanted` */
export function reportEnd(cli: Cli, operation: Operation, wanted: Operation['state'] = 'succeeded'): void {
  if (operation.state === wanted) {
    cli.note(`${cli.paintErr('green', '✓')} ${operation.kind} ${operation.state}${tookText(operation)}`);
    return;
  }
  throw failureOf(operation);
}

function failureOf({ id, kind, state, error }: Operation): CliError {
  const at = error?.step === undefined ? '' : ` at ${error.step}`;
  const why = error === null ? '' : `: ${error.message} (${error.code})`;
  const next = state === 'failed' ? [`freehold operations get ${id}`, `freehold operations retry ${id}`] : [];
  const inside = error?.internal === undefined ? [] : [`internal: ${error.internal}`];
  return new CliError(`${kind} ${state}${at}${why}`, { exitCode: exitCodes.failed, next: [...inside, ...next] });
}

function tookText({ created_at, finished_at }: Operation): string {
  return finished_at === null ? '' : ` in ${durationText(Date.parse(finished_at) - Date.parse(created_at))}`;
}
