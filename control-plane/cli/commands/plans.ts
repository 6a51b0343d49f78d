// Owns `freehold plans`: what tenants of a plan may use.
import type { Command } from 'commander';
import type { NewPlan, Plan } from '../../client.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { addListOptions, type ListOptions, readRows } from '../list-rows.ts';
import { labelPairs, wholeNumber } from '../parse-options.ts';
import { type Cell, type Column, labelsCell, paintState, timeCell } from '../table.ts';

export function addPlans(program: Command, io: Io): void {
  const noun = program.command('plans').summary('list and create plans').description('Plans.');
  addListOptions(noun.command('list').summary('list plans by id').description('Lists plans by id.')).action(
    action(io, async (cli, listing: ListOptions) => {
      const client = await cli.client();
      cli.showList(await readRows(cli, (query) => client.plans.list(query), listing), columns, 'There is no plan.');
    }),
  );
  noun
    .command('create')
    .summary('add a plan (owner)')
    .description('Adds a plan. A limit that is not given gets its default.')
    .argument('<id>', 'such as team')
    .requiredOption('--title <title>', 'name for people')
    .option('--limit <name=value>', 'a limit, such as statement_timeout_ms=15000; repeatable', labelPairs)
    .option('--tenants-max <n>', 'how many tenants may hold it (default: any number)', wholeNumber(0, 1_000_000_000))
    .action(action(io, createPlan));
}

type CreateFlags = { title: string; limit?: Record<string, string>; tenantsMax?: number };

async function createPlan(cli: Cli, id: string, { title, limit, tenantsMax }: CreateFlags): Promise<void> {
  // The server knows the names and the ranges, and says which one it refuses.
  const limits = Object.fromEntries(Object.entries(limit ?? {}).map(([name, text]) => [name, limitValue(text)]));
  const plan = await (await cli.client()).plans.create({
    id,
    title,
    limits: limits as NewPlan['limits'],
    ...(tenantsMax !== undefined && { tenants_max: tenantsMax }),
  });
  const fields: [string, Cell][] = [
    ['id', plan.id],
    ['title', plan.title],
    ['state', plan.state],
    ['tenants max', plan.tenants_max ?? 'any number'],
    ...Object.entries(plan.limits).map(([name, value]): [string, Cell] => [name, value]),
    ['created', timeCell(plan.created_at)],
  ];
  cli.show(plan, fields);
}

function limitValue(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}

const columns: readonly Column<Plan>[] = [
  { title: 'ID', cell: (row) => row.id },
  { title: 'STATE', cell: (row) => row.state, paint: (text, row, paint) => paintState(text, row.state, paint) },
  { title: 'TENANTS MAX', cell: (row) => row.tenants_max ?? 'any', align: 'right' },
  { title: 'TITLE', cell: (row) => row.title, shrinks: true },
  { title: 'LIMITS', cell: (row) => labelsCell(row.limits), shrinks: true },
];
