// Owns following a rollout until it ends, halts, or the time is over: shows it, and says by the exit code how it ended. The
// rollout belongs to the server: when we stop looking it goes on, and we say how to return.
import type { RolloutMember, RolloutView } from '../client.ts';
import type { Cli } from './cli.ts';
import { CliError } from './cli-error.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { printable } from './paint.ts';
import { durationText } from './parse-options.ts';
import { createLiveRollout, createPlainRollout } from './rollout-display.ts';

export type WatchEnd = { rollout: RolloutView; failures: RolloutMember[] };

/** With --json each event is one line of JSON. @throws CliError `rolloutOpen` when the time is over */
export async function watchRollout(
  cli: Cli,
  { id, kind }: Pick<RolloutView, 'id' | 'kind'>,
  timeoutMs?: number,
): Promise<WatchEnd> {
  const client = await cli.client();
  const { stderr, env } = cli.io;
  const live = stderr.isTTY && env.TERM !== 'dumb';
  const display = live ? createLiveRollout(stderr, cli.paintErr) : createPlainRollout((line) => cli.note(`  ${line}`));
  const again = `freehold fleet watch ${id}`;
  cli.io.farewell = () => {
    display.stop();
    return [
      `Stopped watching: the ${kind} goes on on the server.`,
      `Return to it: ${again}`,
      `Stop it: freehold fleet pause ${id}`,
    ];
  };
  if (cli.talks) stderr.write(`${cli.paintErr('bold', kind)} ${cli.paintErr('dim', id)}\n`);
  const signal = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const failures: RolloutMember[] = [];
  let latest: RolloutView | undefined;
  let asked = false;
  try {
    for await (const event of client.rollouts.follow(id, signal)) {
      if ('failure' in event) {
        failures.push(event.failure);
        if (cli.json) cli.print(`${JSON.stringify({ type: 'failure', member: event.failure })}\n`);
        if (cli.talks) display.failed(event.failure);
        continue;
      }
      latest = event.rollout;
      if (cli.json) cli.print(`${JSON.stringify({ type: 'rollout', rollout: latest })}\n`);
      if (cli.talks) display.update(latest);
      if (latest.state === 'awaiting-approval' && !asked) {
        asked = true;
        cli.note(`A second person approves it with: freehold fleet approve ${id}`);
      }
      // Nobody goes on by itself from here: whoever watches decides.
      if (latest.state === 'halted') break;
    }
  } catch (error) {
    if (signal?.aborted !== true) {
      cli.note(`We lost sight of the ${kind}; it goes on on the server. Return to it: ${again}`);
      throw error;
    }
  } finally {
    display.stop();
    cli.io.farewell = undefined;
  }
  if (latest !== undefined && (latest.finished_at !== null || latest.state === 'halted'))
    return { rollout: latest, failures };
  const text = `The ${kind} is ${latest?.state ?? 'not seen'} after ${durationText(timeoutMs ?? 0)}; it goes on on the server.`;
  throw new CliError(text, { exitCode: exitCodes.rolloutOpen, next: [again] });
}

/** Says how it ended and what to do next; sets the exit code. */
export function reportRollout(cli: Cli, rollout: RolloutView): void {
  const { code, sign, text, evidence = {}, next = [] } = endingOf(rollout);
  const colour = code === exitCodes.ok ? 'green' : code === exitCodes.rolloutHalted ? 'red' : 'yellow';
  if (code !== exitCodes.ok) cli.io.exitCode = code;
  cli.note(`${cli.paintErr(colour, sign)} ${printable(text)}`);
  for (const [name, value] of Object.entries(evidence))
    cli.note(`  ${cli.paintErr('dim', printable(name))} ${printable(JSON.stringify(value))}`);
  for (const line of next) cli.note(`  ${cli.paintErr('cyan', '→')} ${line}`);
}

type Ending = { code: ExitCode; sign: string; text: string; evidence?: Record<string, unknown>; next?: string[] };

function endingOf({ id, kind, state, counts, members, verdict }: RolloutView): Ending {
  const failed = `freehold fleet members ${id} --state failed`;
  if (state === 'succeeded') {
    const idle = counts.noop + counts.gone;
    const text = `${kind} succeeded: ${counts.done} done${idle > 0 ? `, ${idle} with nothing to do` : ''}`;
    return { code: exitCodes.ok, sign: '✓', text };
  }
  if (state === 'halted') {
    const text = `${kind} halted by the rule ${verdict?.rule}: ${verdict?.message}`;
    const goOn = `freehold fleet retry ${id} --failed, then freehold fleet resume ${id}`;
    const next = [failed, goOn, `freehold fleet abort ${id}`];
    return { code: exitCodes.rolloutHalted, sign: '✗', text, evidence: verdict?.evidence ?? {}, next };
  }
  if (state === 'finished') {
    const text = `${kind} finished: ${counts.done} of ${members} done, ${counts.failed} in quarantine, ${counts.skipped} skipped`;
    return {
      code: exitCodes.rolloutQuarantine,
      sign: '!',
      text,
      next: [failed, `freehold fleet retry ${id} --failed`],
    };
  }
  return { code: exitCodes.rolloutOpen, sign: '!', text: `${kind} is ${state}: ${counts.done} of ${members} done` };
}
