// Owns what people do to a rollout that is there: `freehold fleet pause`, `resume`, `abort`, `approve`, `retry` and `skip`.
import type { Command } from 'commander';
import { confirmByName } from '../ask.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { CliError } from '../cli-error.ts';
import { words } from '../parse-options.ts';
import { showRollout } from './fleet-rollouts.ts';

export function addFleetChanges(fleet: Command, io: Io): void {
  const because = (verb: 'pause' | 'resume', summary: string, description: string) =>
    fleet
      .command(verb)
      .summary(summary)
      .description(description)
      .argument('<rollout>', 'id')
      .option('--reason <text>', 'for the audit')
      .action(
        action(io, async (cli, id: string, { reason }: { reason?: string }) => {
          showRollout(cli, await (await cli.client()).rollouts[verb](id, reason));
        }),
      );
  because('pause', 'take no further databases', 'Takes no further databases; what is in flight is finished.');
  because(
    'resume',
    'go on with a paused or halted rollout',
    'Goes on with a paused or halted rollout. The error budget counts from here: whoever resumes has read the verdict.',
  );
  fleet
    .command('abort')
    .summary('end a rollout where it is')
    .description('Ends a rollout where it is. What is migrated stays migrated.')
    .argument('<rollout>', 'id')
    .option('--reason <text>', 'for the audit')
    .option('--yes', 'do not ask')
    .action(action(io, abort));
  fleet
    .command('approve')
    .summary('approve what another person has started')
    .description(
      'Approves a rollout that needs a second person. Not with the key it was started with, nor one made by it or that made it.',
    )
    .argument('<rollout>', 'id')
    .action(action(io, async (cli, id: string) => showRollout(cli, await (await cli.client()).rollouts.approve(id))));
  fleet
    .command('retry')
    .summary('try failed members again')
    .description(
      'Tries failed members again. A finished rollout runs again for them; a halted one waits for its resume.',
    )
    .argument('<rollout>', 'id')
    .option('--failed', 'all that failed')
    .option('--tenant <slug>', 'these, by slug or id; repeatable, with commas; also skipped ones', words)
    .action(action(io, retry));
  fleet
    .command('skip')
    .summary('leave members out, with a reason')
    .description('Leaves members that wait or have failed out of a rollout. The reason stays beside each of them.')
    .argument('<rollout>', 'id')
    .requiredOption('--tenant <slug>', 'these, by slug or id; repeatable, with commas', words)
    .requiredOption('--reason <text>', 'why')
    .action(
      action(io, async (cli, id: string, { tenant, reason }: { tenant: string[]; reason: string }) => {
        showRollout(cli, await (await cli.client()).rollouts.skip(id, tenant, reason));
      }),
    );
}

async function abort(cli: Cli, id: string, { reason, yes }: { reason?: string; yes?: boolean }): Promise<void> {
  const { rollouts } = await cli.client();
  const { kind, lane, counts, members } = await rollouts.get(id);
  await confirmByName(cli, `This ends the ${kind} of ${lane} with ${counts.done} of ${members} done.`, 'abort', yes);
  showRollout(cli, await rollouts.abort(id, reason));
}

async function retry(cli: Cli, id: string, { failed, tenant }: { failed?: boolean; tenant?: string[] }): Promise<void> {
  if ((failed === true) === (tenant !== undefined)) throw new CliError('Say whom: --failed, or --tenant <slug>.');
  const rollout = await (await cli.client()).rollouts.retry(id, tenant);
  showRollout(cli, rollout);
  cli.note(`Follow it: freehold fleet watch ${id}`);
}
