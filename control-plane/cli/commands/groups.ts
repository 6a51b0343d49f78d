// Owns `freehold groups`: selections with a name, an order, a maintenance window, and the wish for a second person.
import { type Command, Option } from 'commander';
import type { TargetGroup, TargetGroupChange } from '../../client.ts';
import { confirmByName } from '../ask.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { addListOptions, type ListOptions, readRows } from '../list-rows.ts';
import { wholeNumber } from '../parse-options.ts';
import { addSelectionOptions, type SelectionFlags, selectionOf } from '../selection-options.ts';
import { type Cell, type Column, timeCell } from '../table.ts';
import { parseWindow, type Window, type WindowInput, windowText } from '../window-text.ts';

type GroupFlags = SelectionFlags & {
  description?: string;
  position?: number;
  window?: WindowInput;
  approval?: boolean;
};

export function addGroups(program: Command, io: Io): void {
  const noun = program
    .command('groups')
    .summary('name selections of tenants for rollouts')
    .description('Target groups: selections of tenants with a name.');
  addListOptions(noun.command('list').summary('list groups by name').description('Lists groups by name.')).action(
    action(io, async (cli, listing: ListOptions) => {
      const client = await cli.client();
      cli.showList(
        await readRows(cli, (query) => client.targetGroups.list(query), listing),
        columns,
        'There is no group.',
      );
    }),
  );
  noun
    .command('show')
    .summary('show one group')
    .description('Shows one group.')
    .argument('<group>', 'name')
    .action(action(io, async (cli, name: string) => show(cli, await (await cli.client()).targetGroups.get(name))));
  const create = noun
    .command('create')
    .summary('save a selection under a name')
    .description(
      'Saves a selection under a name. With --window its tenants are only migrated in these hours, whatever the rollout; with\n--approval every rollout that touches one of them waits for a second person.',
    )
    .argument('<group>', 'name, such as pilots');
  addGroupOptions(create).action(
    action(io, async (cli, name: string, flags: GroupFlags) => {
      const group = { name, ...changeOf(flags), selection: selectionOf(flags) };
      show(cli, await (await cli.client()).targetGroups.create(group));
    }),
  );
  const update = noun
    .command('update')
    .summary('change a group')
    .description('Changes a group. Any option of the selection replaces the whole selection.')
    .argument('<group>', 'name');
  addGroupOptions(update)
    .option('--no-approval', 'no second person any more')
    .option('--no-window', 'at any time again')
    .action(action(io, updateGroup));
  noun
    .command('delete')
    .summary('delete a group')
    .description('Deletes a group; its tenants are not touched. Refused while a rollout that is not finished names it.')
    .argument('<group>', 'name')
    .option('--yes', 'do not ask')
    .action(action(io, deleteGroup));
}

function addGroupOptions(command: Command): Command {
  return addSelectionOptions(command)
    .option('--description <text>', 'for people')
    .addOption(
      new Option('--position <n>', 'order in which groups become waves, the lowest first').argParser(
        wholeNumber(0, 1_000_000),
      ),
    )
    .addOption(new Option('--window <when>', 'such as "Sat,Sun 02:00-04:00 Europe/Zurich"').argParser(parseWindow))
    .option('--approval', 'rollouts that touch it need a second person');
}

function changeOf({
  description,
  position,
  window,
  approval,
}: Omit<GroupFlags, 'window'> & { window?: WindowInput | false | undefined }): TargetGroupChange {
  return {
    ...(description !== undefined && { description }),
    ...(position !== undefined && { position }),
    ...(window !== undefined && { maintenance_window: window === false ? null : (window as Window) }),
    ...(approval !== undefined && { approval }),
  };
}

async function updateGroup(cli: Cli, name: string, flags: GroupFlags): Promise<void> {
  const { targetGroups } = await cli.client();
  const { version } = await targetGroups.get(name);
  const selection = selectionOf(flags);
  const change = { ...changeOf(flags), ...(Object.keys(selection).length > 0 && { selection }) };
  show(cli, await targetGroups.update(name, change, { version }));
}

async function deleteGroup(cli: Cli, name: string, { yes }: { yes?: boolean }): Promise<void> {
  const { targetGroups } = await cli.client();
  const { version } = await targetGroups.get(name);
  await confirmByName(cli, `This deletes the group ${name}.`, name, yes);
  const gone = await targetGroups.delete(name, { version });
  if (cli.json) cli.showDocument(gone);
  else cli.note(`Deleted ${name}.`);
}

function show(cli: Cli, group: TargetGroup): void {
  const fields: [string, Cell][] = [
    ['name', group.name],
    ['description', group.description],
    ['selection', selectionText(group)],
    ['position', group.position],
    ['window', windowText(group.maintenance_window)],
    ['approval', group.approval ? 'a second person' : 'none'],
    ['made by', group.created_by],
    ['created', timeCell(group.created_at)],
    ['updated', timeCell(group.updated_at)],
  ];
  cli.show(group, fields);
}

function selectionText({ selection }: TargetGroup): string {
  const parts = Object.entries(selection).map(
    ([name, value]) => `${name} ${Array.isArray(value) ? value.join(',') : value}`,
  );
  return parts.length === 0 ? 'every tenant' : parts.join('; ');
}

const columns: readonly Column<TargetGroup>[] = [
  { title: 'NAME', cell: (row) => row.name },
  { title: 'POSITION', cell: (row) => row.position, align: 'right' },
  { title: 'APPROVAL', cell: (row) => (row.approval ? 'yes' : 'no') },
  { title: 'WINDOW', cell: (row) => windowText(row.maintenance_window), shrinks: true },
  { title: 'SELECTION', cell: selectionText, shrinks: true },
  { title: 'DESCRIPTION', cell: (row) => row.description, shrinks: true },
];
