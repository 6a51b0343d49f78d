// Owns the short commands about the installation as a whole: audit, reconcilers, runtimes, me.
import type { Command } from 'commander';
import type { AuditEntryView, Reconciler, RuntimeInstance } from '../../client.ts';
import { action, type Io } from '../cli.ts';
import { addListOptions, type ListOptions, readRows } from '../list-rows.ts';
import { type Column, paintState, timeCell } from '../table.ts';

export function addAudit(program: Command, io: Io): void {
  const noun = program.command('audit').summary('who did what to what').description('The audit.');
  const list = noun
    .command('list')
    .summary('list audit entries, newest first')
    .description('Lists audit entries, newest first.')
    .option('--target <id>', 'only about this tenant, cluster, key, …')
    .option('--actor <id>', 'only by this key or reconciler')
    .option('--action <action>', 'only this action, such as tenant.create');
  type Flags = ListOptions & { target?: string; actor?: string; action?: string };
  addListOptions(list).action(
    action(io, async (cli, { target, actor, action: name, ...listing }: Flags) => {
      const client = await cli.client();
      const filter = { target_id: target, actor, action: name };
      const rows = await readRows(cli, (query) => client.audit.list({ ...filter, ...query }), listing);
      cli.showList(rows, auditColumns, 'There is no such entry.');
    }),
  );
}

export function addReconcilers(program: Command, io: Io): void {
  const noun = program
    .command('reconcilers')
    .summary('see what repairs the installation by itself')
    .description('Reconcilers.');
  noun
    .command('list')
    .summary('list reconcilers with their last run')
    .description('Lists reconcilers with their last run and what it found.')
    .action(
      action(io, async (cli) => {
        cli.showList(await (await cli.client()).reconcilers.all(), reconcilerColumns, 'No reconciler has run yet.');
      }),
    );
  noun
    .command('run')
    .summary('ask a reconciler to run now')
    .description('Asks a reconciler to run now. It runs at the next tick of its scheduler.')
    .argument('<name>', 'one of `freehold reconcilers list`')
    .action(
      action(io, async (cli, name: string) => {
        const row = await (await cli.client()).reconcilers.run(name);
        cli.show(row, [
          ['name', row.name],
          ['next run', timeCell(row.next_run_at)],
          ['last finished', timeCell(row.last_finished_at)],
        ]);
      }),
    );
}

export function addRuntimes(program: Command, io: Io): void {
  const noun = program.command('runtimes').summary('see the runtime processes').description('Runtime processes.');
  noun
    .command('list')
    .summary('list the runtimes seen in the last hour')
    .description('Lists the runtime processes seen in the last hour.')
    .action(
      action(io, async (cli) => {
        cli.showList(await (await cli.client()).runtimes(), runtimeColumns, 'No runtime was seen in the last hour.');
      }),
    );
}

export function addMe(program: Command, io: Io): void {
  program
    .command('me')
    .summary('show whose key this is and what it may do')
    .description('Shows whose key this is and what its role may do.')
    .action(
      action(io, async (cli) => {
        const me = await (await cli.client()).me();
        const { url, from } = cli.target();
        cli.show(me, [
          ['key', me.api_key_id],
          ['role', me.role],
          ['may', me.may],
          ['server', url],
          ['from', from],
        ]);
      }),
    );
}

const auditColumns: readonly Column<AuditEntryView>[] = [
  { title: 'AT', cell: (row) => timeCell(row.at) },
  { title: 'ACTION', cell: (row) => row.action },
  { title: 'TARGET', cell: (row) => row.target_id ?? row.target_type },
  { title: 'ACTOR', cell: (row) => row.actor },
  { title: 'ROLE', cell: (row) => row.actor_role },
  { title: 'DETAIL', cell: (row) => JSON.stringify(row.detail), shrinks: true },
];

const reconcilerColumns: readonly Column<Reconciler>[] = [
  { title: 'NAME', cell: (row) => row.name },
  { title: 'STATE', cell: stateOf, paint: (text, row, paint) => paintState(text, stateOf(row), paint) },
  { title: 'RUNS', cell: (row) => row.runs, align: 'right' },
  { title: 'LAST FINISHED', cell: (row) => timeCell(row.last_finished_at) },
  { title: 'NEXT RUN', cell: (row) => timeCell(row.next_run_at) },
  { title: 'RESULT', cell: (row) => JSON.stringify(row.last_error ?? row.last_result ?? {}), shrinks: true },
];

function stateOf(row: Reconciler): string {
  if (row.running) return 'running';
  return row.last_error === null ? (row.runs === 0 ? 'waiting' : 'ok') : 'failed';
}

const runtimeColumns: readonly Column<RuntimeInstance>[] = [
  { title: 'HOST', cell: (row) => row.host, shrinks: true },
  { title: 'PID', cell: (row) => row.pid, align: 'right' },
  { title: 'STATE', cell: liveness, paint: (text, row, paint) => paintState(text, liveness(row), paint) },
  { title: 'VERSION', cell: (row) => row.version },
  { title: 'STARTED', cell: (row) => timeCell(row.started_at) },
  { title: 'LAST SIGN', cell: (row) => timeCell(row.heartbeat_at) },
  { title: 'ID', cell: (row) => row.id },
];

function liveness(row: RuntimeInstance): string {
  return row.live ? 'live' : 'gone';
}
