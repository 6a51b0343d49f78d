// Owns `freehold signing-keys`: the keys that runtime tokens are signed with.
import type { Command } from 'commander';
import type { SigningKeyView } from '../../client.ts';
import { confirmByName } from '../ask.ts';
import { action, type Io } from '../cli.ts';
import { type Cell, type Column, paintState, timeCell } from '../table.ts';

export function addSigningKeys(program: Command, io: Io): void {
  const noun = program
    .command('signing-keys')
    .summary('list, rotate and revoke the keys of runtime tokens')
    .description('Signing keys of runtime tokens.');
  noun
    .command('list')
    .summary('list signing keys, newest first')
    .description('Lists signing keys, newest first.')
    .action(
      action(io, async (cli) =>
        cli.showList(await (await cli.client()).signingKeys.all(), columns, 'There is no key.'),
      ),
    );
  noun
    .command('rotate')
    .summary('sign with the next key from now on (owner)')
    .description('Signs with the next key from now on. Tokens of the old key stay good until they run out.')
    .action(
      action(io, async (cli) => {
        const key = await (await cli.client()).signingKeys.rotate();
        cli.show(key, fieldsOf(key));
      }),
    );
  noun
    .command('revoke')
    .summary('refuse everything a key has signed (owner)')
    .description('For a key that has leaked: refuses every token that was signed with it.')
    .argument('<kid>', 'key id, one of `freehold signing-keys list`')
    .option('--yes', 'do not ask')
    .action(
      action(io, async (cli, kid: string, { yes }: { yes?: boolean }) => {
        await confirmByName(cli, `Every token signed with ${kid} will be refused.`, kid, yes);
        const key = await (await cli.client()).signingKeys.revoke(kid);
        cli.show(key, fieldsOf(key));
      }),
    );
}

const columns: readonly Column<SigningKeyView>[] = [
  { title: 'KID', cell: (row) => row.kid },
  { title: 'STATE', cell: (row) => row.state, paint: (text, row, paint) => paintState(text, row.state, paint) },
  { title: 'ALG', cell: (row) => row.alg },
  { title: 'ISSUER', cell: (row) => row.issuer, shrinks: true },
  { title: 'CREATED', cell: (row) => timeCell(row.created_at) },
  { title: 'RETIRES', cell: (row) => timeCell(row.retires_at) },
];

function fieldsOf(key: SigningKeyView): [string, Cell][] {
  return [
    ['kid', key.kid],
    ['state', key.state],
    ['alg', key.alg],
    ['issuer', key.issuer],
    ['created', timeCell(key.created_at)],
    ['retires', timeCell(key.retires_at)],
  ];
}
