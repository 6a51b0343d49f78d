// Owns the moves of a tenant: suspend, resume, delete, undelete, purge. Each starts an operation and waits for its end.
import { type Command, Option } from 'commander';
import type { Client } from '../../client.ts';
import { confirmByName } from '../ask.ts';
import { action, type Io } from '../cli.ts';
import { durationMs } from '../parse-options.ts';
import { finishStarted } from '../started-tenant.ts';
import { waitDefaultMs } from '../watch-operation.ts';

export type WaitFlags = { wait?: boolean; timeout: number };

export function addWaitOptions(command: Command): Command {
  return command
    .addOption(new Option('--wait', 'wait for the end (the default)'))
    .addOption(new Option('--no-wait', 'return as soon as the operation is recorded'))
    .addOption(
      new Option('--timeout <duration>', 'how long to wait').argParser(durationMs).default(waitDefaultMs, '60s'),
    );
}

type Verb = 'suspend' | 'resume' | 'delete' | 'undelete' | 'purge';

type Move = { verb: Verb; summary: string; description: string; warning?: (slug: string) => string };

const moves: readonly Move[] = [
  {
    verb: 'suspend',
    summary: 'stop serving a tenant',
    description: 'Stops serving a tenant at once: its tokens are refused, its sessions end. Its data stays.',
  },
  {
    verb: 'resume',
    summary: 'serve a suspended tenant again',
    description: 'Serves a suspended tenant again. Tokens minted before the suspension stay refused.',
  },
  {
    verb: 'delete',
    summary: 'delete a tenant, with a time of grace',
    description: 'Deletes a tenant. Until its time of grace is over, undelete brings it back.',
    warning: (slug) =>
      `This deletes the tenant ${slug}: it is no longer served, and after its time of grace it is dropped.`,
  },
  {
    verb: 'undelete',
    summary: 'take a deletion back',
    description: 'Takes a deletion back: the tenant returns to the state it had before.',
  },
  {
    verb: 'purge',
    summary: 'drop a deleted tenant now, for good (owner)',
    description: 'Drops database, roles and secrets of a deleted tenant now. Nothing brings them back.',
    warning: (slug) => `This drops the data of the tenant ${slug} for good.`,
  },
];

export function addTenantMoves(noun: Command, io: Io): void {
  for (const { verb, summary, description, warning } of moves) {
    const command = noun.command(verb).summary(summary).description(description).argument('<tenant>', 'id or slug');
    if (warning !== undefined) command.option('--yes', 'do not ask');
    addWaitOptions(command).action(
      action(io, async (cli, idOrSlug: string, flags: WaitFlags & { yes?: boolean }) => {
        const client = await cli.client();
        const tenant = await client.tenants.get(idOrSlug);
        if (warning === undefined) return await finishStarted(cli, await start(client, verb, tenant.id), flags);
        await confirmByName(cli, warning(tenant.slug), tenant.slug, flags.yes);
        // What was shown is what is destroyed: a tenant that was changed meanwhile is left alone.
        await finishStarted(cli, await start(client, verb, tenant.id, tenant.version), flags);
      }),
    );
  }
}

async function start(client: Client, verb: Verb, id: string, version?: number) {
  return await client.tenants[verb](id, { version });
}
