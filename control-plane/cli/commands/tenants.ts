// Owns `freehold tenants`: reading and changing tenants. What moves their state is in tenant-moves.ts.
import { randomUUID } from 'node:crypto';
import { type Command, Option } from 'commander';
import type { Tenant, TenantFilter } from '../../client.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { CliError } from '../cli-error.ts';
import { addListOptions, type ListOptions, readRows } from '../list-rows.ts';
import { labelPairs, words } from '../parse-options.ts';
import { finishStarted, tenantFields } from '../started-tenant.ts';
import { type Column, labelsCell, paintState, timeCell } from '../table.ts';
import { addTenantMoves, addWaitOptions, type WaitFlags } from './tenant-moves.ts';

const states = [
  ...['provisioning', 'active', 'suspending', 'suspended', 'resuming'],
  ...['deleting', 'deleted', 'purging', 'purged', 'failed'],
];

export function addTenants(program: Command, io: Io): void {
  const noun = program.command('tenants').summary('create, list, suspend, delete tenants').description('Tenants.');
  const create = noun
    .command('create')
    .summary('create a tenant with a database of its own')
    .description('Creates a tenant with a database of its own and waits until it is ready.')
    .argument('<slug>', 'short name, such as acme')
    .requiredOption('--name <name>', 'name for people')
    .requiredOption('--region <region>', 'where its data must be')
    .requiredOption('--plan <plan>', 'one of `freehold plans list`')
    .addOption(new Option('--tier <tier>', 'kind of cluster').choices(['shared', 'dedicated']))
    .option('--label <name=value>', 'a label; repeatable', labelPairs)
    .option('--idempotency-key <key>', 'repeat a request whose answer was lost (default: a new one)');
  addWaitOptions(create).action(action(io, createTenant));
  const list = noun
    .command('list')
    .summary('list tenants, newest first')
    .description('Lists tenants, newest first.')
    .addOption(new Option('--state <state>', 'only in this state').choices(states))
    .option('--region <region>', 'only in this region')
    .option('--plan <plan>', 'only with this plan')
    .option('--label <name=value>', 'only with this label; repeatable', labelPairs);
  addListOptions(list).action(action(io, listTenants));
  noun
    .command('get')
    .summary('show one tenant')
    .description('Shows one tenant.')
    .argument('<tenant>', 'id or slug')
    .action(
      action(io, async (cli, idOrSlug: string) => {
        const tenant = await (await cli.client()).tenants.get(idOrSlug);
        cli.show(tenant, tenantFields(tenant));
      }),
    );
  noun
    .command('update')
    .summary('change name, plan or labels')
    .description('Changes name, plan or labels. A change that somebody else made meanwhile is not overwritten.')
    .argument('<tenant>', 'id or slug')
    .option('--name <name>', 'name for people')
    .option('--plan <plan>', 'one of `freehold plans list`')
    .option('--label <name=value>', 'set a label; repeatable', labelPairs)
    .option('--remove-label <name>', 'remove a label; repeatable', words)
    .action(action(io, updateTenant));
  addTenantMoves(noun, io);
}

type CreateFlags = WaitFlags & {
  name: string;
  region: string;
  plan: string;
  tier?: 'shared' | 'dedicated';
  label?: Record<string, string>;
  idempotencyKey?: string;
};

async function createTenant(cli: Cli, slug: string, flags: CreateFlags): Promise<void> {
  const client = await cli.client();
  const { name, region, plan, tier, label: labels, idempotencyKey = `cli-${randomUUID()}` } = flags;
  const tenant = {
    slug,
    name,
    region,
    plan,
    ...(tier !== undefined && { tier }),
    ...(labels !== undefined && { labels }),
  };
  const repeat = `To find out, repeat the command with --idempotency-key ${idempotencyKey}: it makes no second tenant.`;
  cli.io.farewell = () => ['The request may have been carried out.', repeat];
  try {
    const started = await client.tenants.create(tenant, { idempotencyKey });
    if (started.replayed) cli.note('This request was made before: here is what came of it.');
    await finishStarted(cli, started, flags);
  } catch (error) {
    // Sent, and no answer came: the outcome is not known.
    if (error instanceof Error && /^(TimeoutError|TypeError)$/.test(error.name)) cli.note(repeat);
    throw error;
  }
}

type ListFlags = ListOptions & Omit<TenantFilter, 'label'> & { label?: Record<string, string> };

async function listTenants(cli: Cli, { state, region, plan, label, ...listing }: ListFlags): Promise<void> {
  const client = await cli.client();
  const labels = Object.entries(label ?? {}).map(([name, value]) => `${name}:${value}`);
  const filter = { state, region, plan, label: labels };
  const rows = await readRows(cli, (query) => client.tenants.list({ ...filter, ...query }), listing);
  cli.showList(rows, tenantColumns, 'There is no such tenant. `freehold tenants create` makes one.');
}

const tenantColumns: readonly Column<Tenant>[] = [
  { title: 'SLUG', cell: (row) => row.slug },
  { title: 'STATE', cell: (row) => row.state, paint: (text, row, paint) => paintState(text, row.state, paint) },
  { title: 'REGION', cell: (row) => row.region },
  { title: 'PLAN', cell: (row) => row.plan },
  { title: 'NAME', cell: (row) => row.name, shrinks: true },
  { title: 'LABELS', cell: (row) => labelsCell(row.labels), shrinks: true },
  { title: 'CREATED', cell: (row) => timeCell(row.created_at) },
  { title: 'ID', cell: (row) => row.id },
];

type UpdateFlags = { name?: string; plan?: string; label?: Record<string, string>; removeLabel?: string[] };

async function updateTenant(
  cli: Cli,
  idOrSlug: string,
  { name, plan, label, removeLabel }: UpdateFlags,
): Promise<void> {
  if (name === undefined && plan === undefined && label === undefined && removeLabel === undefined) {
    throw new CliError('Nothing to change.', { next: ['Give --name, --plan, --label or --remove-label.'] });
  }
  const client = await cli.client();
  const before = await client.tenants.get(idOrSlug);
  const kept = Object.entries(before.labels).filter(([key]) => removeLabel?.includes(key) !== true);
  const labels =
    label === undefined && removeLabel === undefined ? {} : { labels: { ...Object.fromEntries(kept), ...label } };
  const change = { ...(name !== undefined && { name }), ...(plan !== undefined && { plan }), ...labels };
  const tenant = await client.tenants.update(before.id, change, { version: before.version });
  cli.show(tenant, tenantFields(tenant));
}
