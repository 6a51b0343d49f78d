// Owns `freehold keys`: API keys of people and programs. A key is shown once, alone on stdout. `generate` works without a server:
// it makes the first secrets of a new installation.
import { type Command, Option } from 'commander';
import type { ApiKey, NewApiKey } from '../../client.ts';
import { action, type Cli, type Io, jsonText } from '../cli.ts';
import { addListOptions, type ListOptions, readRows } from '../list-rows.ts';
import { durationMs } from '../parse-options.ts';
import { type Column, timeCell } from '../table.ts';

export function addKeys(program: Command, io: Io): void {
  const noun = program.command('keys').summary('create, list and revoke API keys').description('API keys.');
  noun
    .command('create')
    .summary('create an API key (owner)')
    .description('Creates an API key and prints it, and nothing else, on stdout. It is shown this once.')
    .argument('<name>', 'who or what will use it')
    .addOption(
      new Option('--role <role>', 'what it may do')
        .choices(['viewer', 'sales', 'operator', 'dba', 'owner'])
        .makeOptionMandatory(),
    )
    .option('--expires-in <duration>', 'such as 90d (default: never)', durationMs)
    .action(action(io, createKey));
  addListOptions(
    noun.command('list').summary('list API keys (owner)').description('Lists API keys, newest first.'),
  ).action(
    action(io, async (cli, listing: ListOptions) => {
      const client = await cli.client();
      cli.showList(await readRows(cli, (query) => client.apiKeys.list(query), listing), keyColumns, 'There is no key.');
    }),
  );
  noun
    .command('revoke')
    .summary('revoke an API key (owner)')
    .description('Revokes an API key. It is refused by every process within a minute.')
    .argument('<key>', 'id (key_…), not the key itself')
    .action(
      action(io, async (cli, id: string) => {
        const key = await (await cli.client()).apiKeys.revoke(id);
        cli.show(key, [
          ['id', key.id],
          ['name', key.name],
          ['revoked', timeCell(key.revoked_at)],
        ]);
      }),
    );
  noun
    .command('generate')
    .summary('make an owner key or a sealing key for a new installation')
    .description(
      'Makes a key on this machine; no server is asked. An owner key goes to FREEHOLD_BOOTSTRAP_OWNER_KEY and is then the\nfirst API key; a sealing key goes to FREEHOLD_SEALING_KEYS. Keep both in your secret store.',
    )
    .option('--sealing', 'a sealing key instead of an owner key')
    .action(action(io, generate));
}

async function createKey(
  cli: Cli,
  name: string,
  flags: { role: NewApiKey['role']; expiresIn?: number },
): Promise<void> {
  const { role, expiresIn } = flags;
  const expiry = expiresIn === undefined ? {} : { expires_at: new Date(Date.now() + expiresIn).toISOString() };
  const created = await (await cli.client()).apiKeys.create({ name, role, ...expiry });
  cli.print(cli.json ? jsonText(created) : `${created.key}\n`);
  if (cli.json) return;
  cli.note(
    `${created.id} for ${role}, expires: ${created.expires_at ?? 'never'}. The key is shown this once: keep it.`,
  );
}

async function generate(cli: Cli, { sealing }: { sealing?: boolean }): Promise<void> {
  const variable = sealing === true ? 'FREEHOLD_SEALING_KEYS' : 'FREEHOLD_BOOTSTRAP_OWNER_KEY';
  const text = sealing === true ? await newSealingKey() : await newOwnerKey();
  cli.print(cli.json ? jsonText({ variable, value: text }) : `${text}\n`);
  if (!cli.json) cli.note(`For ${variable}. It is stored nowhere: keep it.`);
}

async function newSealingKey(): Promise<string> {
  return (await import('../../../platform/sealing.ts')).generateSealingKey();
}

async function newOwnerKey(): Promise<string> {
  return (await import('../../../catalog/api-key-text.ts')).newApiKeyText().text;
}

const keyColumns: readonly Column<ApiKey>[] = [
  { title: 'NAME', cell: (row) => row.name, shrinks: true },
  { title: 'ROLE', cell: (row) => row.role },
  {
    title: 'STATE',
    cell: keyState,
    paint: (text, row, paint) => (keyState(row) === 'live' ? text : paint('dim', text)),
  },
  { title: 'CREATED', cell: (row) => timeCell(row.created_at) },
  { title: 'EXPIRES', cell: (row) => timeCell(row.expires_at) },
  { title: 'LAST USED', cell: (row) => timeCell(row.last_used_at) },
  { title: 'ID', cell: (row) => row.id },
];

function keyState(row: ApiKey): string {
  if (row.revoked_at !== null) return 'revoked';
  return row.expires_at !== null && Date.parse(row.expires_at) <= Date.now() ? 'expired' : 'live';
}
