// Owns `freehold tokens`: a runtime token for one tenant. Only the token is on stdout, so that it can be put into a variable.
import type { Command } from 'commander';
import type { NewToken } from '../../client.ts';
import { action, type Io, jsonText } from '../cli.ts';
import { tenantIdOf } from '../find-id.ts';
import { durationMs, words } from '../parse-options.ts';

export function addTokens(program: Command, io: Io): void {
  const noun = program.command('tokens').summary('mint runtime tokens').description('Runtime tokens of tenants.');
  noun
    .command('mint')
    .summary('mint a runtime token for a tenant')
    .description('Mints a runtime token for a tenant and prints it, and nothing else, on stdout.')
    .argument('<tenant>', 'id or slug')
    .requiredOption(
      '--scope <scope>',
      'tenant:read, sql, rest or graphql, the last three also with :read; repeatable',
      words,
    )
    .option('--ttl <duration>', 'how long it is good, at most 15m', durationMs, undefined)
    .option('--subject <subject>', 'who will use it: a user or service of the product', 'freehold-cli')
    .action(action(io, mint));
}

type MintFlags = { scope: string[]; ttl?: number; subject: string };

const mint: Parameters<typeof action<[string, MintFlags]>>[1] = async (cli, tenant, { scope, ttl, subject }) => {
  const client = await cli.client();
  const minted = await client.tenants.mintToken(await tenantIdOf(client, tenant), {
    // The server names the scope it does not know.
    scopes: scope as NewToken['scopes'],
    subject,
    ...(ttl !== undefined && { ttl_seconds: Math.ceil(ttl / 1_000) }),
  });
  cli.print(cli.json ? jsonText(minted) : `${minted.token}\n`);
  if (!cli.json && cli.io.stdout.isTTY) cli.note(`For ${minted.tenant_id}, until ${minted.expires_at}.`);
};
