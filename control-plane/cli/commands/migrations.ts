// Owns `freehold migrations`: the files of a lane as they stand in a folder. All of it works without a server; with one it tells what
// is released.
import type { Command } from 'commander';
import type { WrittenFile } from '../../migration-files/migration-file.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { type FolderFlags, folderOf, readFolder } from '../migration-folder.ts';
import { type FileState, newestRelease, stateOf } from '../released-files.ts';
import type { Column } from '../table.ts';
import { addLint } from './migrations-lint.ts';

export function addMigrations(program: Command, io: Io): void {
  const noun = program
    .command('migrations')
    .summary('write, list, show and lint migration files')
    .description('The files of a lane, in a folder of this machine. No server is needed.');
  addFolderOptions(noun.command('new').summary('begin a migration file'))
    .description('Begins a migration file, numbered by the time in UTC and behind all that are there.')
    .argument('<name>', 'what it does, such as add-due-date')
    .option('--ts', 'a builder file in TypeScript instead of SQL')
    .option('--no-transaction', 'for what must stand outside of a transaction')
    .action(action(io, newMigration));
  addFolderOptions(noun.command('list').summary('list the files of a lane'))
    .description('Lists the files of a lane in their order, with a server also whether they are released.')
    .action(action(io, listMigrations));
  addFolderOptions(noun.command('show').summary('show the SQL that a file runs'))
    .description('Shows the SQL that a file runs, also that which a builder file makes.')
    .argument('<name>', 'name, number, or what comes after it')
    .option('--down', 'the way back')
    .action(action(io, showMigration));
  addLint(addFolderOptions(noun.command('lint').summary('look for what locks, loses or reaches too far')), io);
}

export function addFolderOptions(command: Command): Command {
  return command
    .option('--lane <lane>', 'tenant, or core: Freehold’s own', 'tenant')
    .option('--folder <folder>', 'folder of the files (FREEHOLD_TENANT_MIGRATIONS, or that of this clone)');
}

type NewFlags = FolderFlags & { ts?: boolean; transaction: boolean };

async function newMigration(cli: Cli, name: string, flags: NewFlags): Promise<void> {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/.test(name)) {
    throw new CliError(`"${name}" cannot be a part of a file name.`, { next: ['Use letters, digits, - and _.'] });
  }
  const { writeMigration } = await import('../new-migration.ts');
  const file = writeMigration(folderOf(cli, flags), { name, isTs: flags.ts === true, transaction: flags.transaction });
  if (cli.json) cli.showDocument({ file });
  else cli.print(`${file}\n`);
}

type Row = {
  name: string;
  state: FileState | null;
  transaction: boolean;
  reversible: boolean;
  contract_requires: string | null;
  program: boolean;
  hash: string;
};

async function listMigrations(cli: Cli, flags: FolderFlags): Promise<void> {
  const { lane } = await readFolder(cli, flags);
  const release = await newestRelease(cli, lane.name);
  const rows = lane.files.map((file): Row => {
    return {
      name: file.name,
      state: release === undefined ? null : stateOf(file, release),
      transaction: file.up.transaction,
      reversible: file.down !== null,
      contract_requires: file.contractRequires,
      program: file.program !== null,
      hash: file.hash,
    };
  });
  cli.showList(rows, columns, 'There is no migration.');
}

const columns: readonly Column<Row>[] = [
  { title: 'NAME', cell: (row) => row.name },
  {
    title: 'STATE',
    cell: (row) => row.state,
    paint: (text, row, paint) => (row.state === 'changed' ? paint('red', text) : text),
  },
  { title: 'RUNS', cell: (row) => (row.program ? 'program' : row.transaction ? 'in a transaction' : 'by statement') },
  { title: 'WAY BACK', cell: (row) => (row.reversible ? 'yes' : 'no') },
  { title: 'CONTRACT AFTER', cell: (row) => row.contract_requires },
  { title: 'HASH', cell: (row) => row.hash.slice(0, 12) },
];

async function showMigration(cli: Cli, name: string, flags: FolderFlags & { down?: boolean }): Promise<void> {
  const { lane } = await readFolder(cli, flags);
  const file = findMigration(lane.files, name);
  const direction = flags.down === true ? 'down' : 'up';
  const script = file[direction];
  const sql = file.written[direction];
  if (file.program !== null && direction === 'up')
    throw new CliError(`${file.name} asks each database while it runs; its SQL is not known before.`);
  if (script === null || sql === null)
    throw new CliError(`${file.name} has no way back.`, { exitCode: exitCodes.notFound });
  const { transaction, statements } = script;
  if (cli.json) cli.showDocument({ name: file.name, hash: file.hash, direction, transaction, statements });
  // Of a builder file as it is, so that the lines are those that the linter names.
  else cli.print(`${sql.generated ? sql.text.trimEnd() : sql.text.trim()}\n`);
}

/** By its name, the name of the file, the number or what comes after it. */
function findMigration(files: readonly WrittenFile[], name: string): WrittenFile {
  const found = files.filter(
    (file) =>
      file.name === name ||
      file.name.startsWith(`${name}_`) ||
      file.name.endsWith(`_${name}`) ||
      file.written.entries.some((entry) => entry.name === name),
  );
  const [file] = found;
  const next = found.length > 1 ? found.map((each) => each.name) : ['freehold migrations list'];
  if (file !== undefined && found.length === 1) return file;
  throw new CliError(found.length > 1 ? `Several migrations are called ${name}.` : `There is no migration ${name}.`, {
    exitCode: exitCodes.notFound,
    next,
  });
}
