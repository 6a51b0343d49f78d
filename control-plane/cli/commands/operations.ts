// Owns `freehold operations`: what is under way and what came of it; follow, cancel, retry.
import { type Command, Option } from 'commander';
import type { Operation, OperationWithSteps } from '../../client.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { tenantIdOf } from '../find-id.ts';
import { addListOptions, type ListOptions, readRows } from '../list-rows.ts';
import { durationMs } from '../parse-options.ts';
import { renderSteps } from '../steps-display.ts';
import { type Cell, type Column, paintState, timeCell } from '../table.ts';
import { reportEnd, watchOperation } from '../watch-operation.ts';
import { addWaitOptions, type WaitFlags } from './tenant-moves.ts';

const states = ['pending', 'running', 'undoing', 'succeeded', 'failed', 'cancelled'];

export function addOperations(program: Command, io: Io): void {
  const noun = program
    .command('operations')
    .summary('see, follow, cancel and retry operations')
    .description('Operations: everything that takes more than one step.');
  const list = noun
    .command('list')
    .summary('list operations, newest first')
    .description('Lists operations, newest first.')
    .option('--tenant <tenant>', 'only of this tenant (id or slug)')
    .addOption(new Option('--state <state>', 'only in this state').choices(states))
    .option('--kind <kind>', 'only of this kind, such as provision-tenant');
  addListOptions(list).action(action(io, listOperations));
  noun
    .command('get')
    .summary('show one operation with its steps')
    .description('Shows one operation with its steps.')
    .argument('<operation>', 'id')
    .action(action(io, async (cli, id: string) => showOperation(cli, await (await cli.client()).operations.get(id))));
  noun
    .command('watch')
    .summary('follow an operation until it ends')
    .description(
      'Follows an operation until it ends. Exit code 1 when it ends otherwise than succeeded.\nWith --json each change is one line of JSON.',
    )
    .argument('<operation>', 'id')
    .option('--timeout <duration>', 'how long to follow (default: to its end)', durationMs)
    .action(action(io, watch));
  const cancel = noun
    .command('cancel')
    .summary('ask an operation to stop and undo what it did')
    .description('Asks an operation to stop between two steps and to undo what it did.')
    .argument('<operation>', 'id');
  addWaitOptions(cancel).action(action(io, changeAndWatch('cancel', 'cancelled')));
  const retry = noun
    .command('retry')
    .summary('begin a failed operation again')
    .description('Begins a failed operation again, under the same id.')
    .argument('<operation>', 'id');
  addWaitOptions(retry).action(action(io, changeAndWatch('retry', 'succeeded')));
}

type ListFlags = ListOptions & { tenant?: string; state?: Operation['state']; kind?: string };

async function listOperations(cli: Cli, { tenant, state, kind, ...listing }: ListFlags): Promise<void> {
  const client = await cli.client();
  const tenantId = tenant === undefined ? undefined : await tenantIdOf(client, tenant);
  const filter = { tenant_id: tenantId, state, kind };
  const rows = await readRows(cli, (query) => client.operations.list({ ...filter, ...query }), listing);
  cli.showList(rows, operationColumns, 'There is no such operation.');
}

async function watch(cli: Cli, id: string, { timeout }: { timeout?: number }): Promise<void> {
  const first = await (await cli.client()).operations.get(id);
  const onChange = (operation: OperationWithSteps) => {
    if (cli.json) cli.print(`${JSON.stringify(operation)}\n`);
  };
  const ended = await watchOperation(cli, first, { timeoutMs: timeout, onChange });
  if (!cli.json) cli.print(`${cli.paintOut('bold', ended.state)}\n`);
  reportEnd(cli, ended);
}

function changeAndWatch(verb: 'cancel' | 'retry', wanted: Operation['state']) {
  return async (cli: Cli, id: string, { wait, timeout }: WaitFlags): Promise<void> => {
    const asked = await (await cli.client()).operations[verb](id);
    if (wait === false) {
      cli.show(asked, operationFields(asked));
      cli.note(`Follow it: freehold operations watch ${id}`);
      return;
    }
    const ended = await watchOperation(cli, asked, { timeoutMs: timeout });
    cli.show(ended, operationFields(ended));
    reportEnd(cli, ended, wanted);
  };
}

function showOperation(cli: Cli, operation: OperationWithSteps): void {
  cli.show(operation, operationFields(operation));
  if (cli.json || operation.steps.length === 0) return;
  const look = { paint: cli.paintOut, spinner: '…', width: cli.io.stdout.isTTY ? cli.io.stdout.columns : 1_000 };
  const sinceMs = (name: string) => {
    const step = operation.steps.find((each) => each.name === name);
    return Math.max(0, Date.now() - Date.parse(step?.started_at ?? operation.created_at));
  };
  cli.print(`\n${renderSteps(operation, { ...look, sinceMs }).join('\n')}\n`);
}

const operationColumns: readonly Column<Operation>[] = [
  { title: 'KIND', cell: (row) => row.kind },
  { title: 'STATE', cell: (row) => row.state, paint: (text, row, paint) => paintState(text, row.state, paint) },
  { title: 'STEPS', cell: (row) => `${row.steps_done}/${row.steps_total}`, align: 'right' },
  { title: 'ERROR', cell: (row) => row.error?.code, shrinks: true },
  { title: 'CREATED', cell: (row) => timeCell(row.created_at) },
  { title: 'TENANT', cell: (row) => row.tenant_id },
  { title: 'ID', cell: (row) => row.id },
];

function operationFields(operation: Operation): [string, Cell][] {
  const fields: [string, Cell][] = [
    ['id', operation.id],
    ['kind', operation.kind],
    ['state', operation.state],
    ['steps', `${operation.steps_done} of ${operation.steps_total}`],
    ['tenant', operation.tenant_id],
    ['database', operation.database_id],
    ['asked by', operation.actor],
    ['created', timeCell(operation.created_at)],
    ['finished', timeCell(operation.finished_at)],
  ];
  const { error } = operation;
  if (error === null) return fields;
  fields.push(['error', `${error.message} (${error.code})`]);
  if (error.step !== undefined) fields.push(['at step', error.step]);
  if (error.internal !== undefined) fields.push(['internal', error.internal]);
  if (operation.finished_at === null) fields.push(['next attempt', timeCell(operation.next_attempt_at)]);
  return fields;
}
