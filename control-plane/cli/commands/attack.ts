// Owns `freehold attack`: the list of attacks tried against an installation, from outside, with what any client has. Makes two
// tenants for it and removes them, unless two are named. Exit code 5 when a lock did not hold.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { AttackGroup, Attempt, Field, Party } from '../../attack/attack.ts';
import { type AttackReport, reportOf, reportPage } from '../../attack/report.ts';
import { attackGroups, runAttacks } from '../../attack/run-attacks.ts';
import type { Client, Tenant } from '../../client.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { wholeNumber } from '../parse-options.ts';
import { type Column, renderTable } from '../table.ts';

const groupNames = Object.keys(attackGroups) as AttackGroup[];

export function addAttack(program: Command, io: Io): void {
  program
    .command('attack')
    .summary('try to break in, and say what came back')
    .description(
      'Attacks the installation from outside: forged, replayed and confused tokens, what a tenant may try in its database and\n' +
        'through each API, a flood. Makes two tenants for it and purges them afterwards, unless two are named. Exit code 0: every lock held; 5: one did not.',
    )
    .option('--runtime <url>', 'runtime API (default: that of the profile)')
    .option('--tenant <slug>', 'attack as this tenant, with --victim; nobody is suspended then')
    .option('--victim <slug>', 'the tenant whose data is tried for')
    .option('--region <region>', 'where the two tenants are made (default: that of the first cluster)')
    .option('--plan <plan>', 'their plan; one that allows SQL tries more', 'team')
    .addOption(new Option('--only <group...>', 'only these').choices(groupNames))
    .option('--requests <n>', 'of the flood', wholeNumber(1, 1_000_000), 2_000)
    .option('--report <file>', 'write a report: Markdown, or JSON where the name ends in .json')
    .action(action(io, attack));
}

type AttackFlags = {
  runtime?: string;
  tenant?: string;
  victim?: string;
  region?: string;
  plan: string;
  only?: AttackGroup[];
  requests: number;
  report?: string;
};

async function attack(cli: Cli, flags: AttackFlags): Promise<void> {
  const client = await cli.client();
  const target = cli.target();
  const runtimeUrl = (flags.runtime ?? target.runtimeUrl)?.replace(/\/+$/, '');
  if (runtimeUrl === undefined) throw new CliError('Where is the runtime?', { next: ['Give its URL with --runtime.'] });
  if ((flags.tenant === undefined) !== (flags.victim === undefined))
    throw new CliError('Two tenants are needed.', { next: ['Give both --tenant and --victim, or neither.'] });
  const startedAt = new Date();
  const attempts: Attempt[] = [];
  const { tenants, disposable } = await partiesOf(cli, client, flags);
  try {
    const [attacker, victim] = await Promise.all(tenants.map((tenant) => partyOf(client, tenant)));
    const field: Field = {
      client,
      runtimeUrl,
      adminUrl: target.url,
      apiKey: target.apiKey,
      attacker: attacker as Party,
      victim: victim as Party,
      disposable,
      floodRequests: flags.requests,
    };
    for await (const attempt of runAttacks(field, flags.only ?? groupNames)) {
      attempts.push(attempt);
      if (cli.talks && attempt.verdict === 'broken')
        cli.note(`${cli.paintErr('red', '✗')} ${attempt.case} ${attempt.what}: ${attempt.got}`);
    }
  } finally {
    if (disposable) await removeAll(cli, client, tenants);
  }
  finish(cli, reportOf(runtimeUrl, startedAt, attempts), flags.report);
}

/** Attacker first. Named ones are left as they are. */
async function partiesOf(
  cli: Cli,
  client: Client,
  flags: AttackFlags,
): Promise<{ tenants: Tenant[]; disposable: boolean }> {
  if (flags.tenant !== undefined && flags.victim !== undefined) {
    const tenants = await Promise.all([client.tenants.get(flags.tenant), client.tenants.get(flags.victim)]);
    if (tenants[0].id === tenants[1].id)
      throw new CliError('Attacker and victim are one tenant.', { next: ['Name two.'] });
    return { tenants, disposable: false };
  }
  const region = flags.region ?? (await client.clusters.page({ limit: 1 })).data[0]?.region;
  if (region === undefined) throw new CliError('There is no cluster yet.', { next: ['freehold clusters add'] });
  const mark = randomBytes(4).toString('hex');
  cli.note(`Making two tenants in ${region} for the attack …`);
  const tenants: Tenant[] = [];
  for (const role of ['attacker', 'victim']) {
    const wanted = {
      slug: `attack-${mark}-${role}`,
      name: `Made by freehold attack (${role})`,
      region,
      plan: flags.plan,
    };
    const made = await client.tenants.create(wanted, { waitSec });
    tenants.push(made.tenant);
    if (!made.done) await client.operations.wait(made.operation.id);
  }
  return { tenants, disposable: true };
}

const waitSec = 60;

/** Every scope there is; the plan decides what they are good for. */
async function partyOf(client: Client, { id, slug }: Tenant): Promise<Party> {
  const { token } = await client.tenants.mintToken(id, {
    scopes: ['tenant:read', 'sql', 'rest', 'graphql'],
    subject: 'freehold-attack',
  });
  return { slug, tenantId: id, token };
}

async function removeAll(cli: Cli, client: Client, tenants: readonly Tenant[]): Promise<void> {
  for (const { id, slug } of tenants) {
    try {
      await client.tenants.delete(id, { waitSec });
      await client.tenants.purge(id, { waitSec });
    } catch (error) {
      cli.note(
        `${slug} could not be removed (${error instanceof Error ? error.message : error}). Next: freehold tenants purge ${slug}`,
      );
    }
  }
}

function finish(cli: Cli, report: AttackReport, file: string | undefined): void {
  const { held, broken, untried } = report.counts;
  if (file !== undefined)
    writeFileSync(file, file.endsWith('.json') ? `${JSON.stringify(report, null, 2)}\n` : reportPage(report));
  if (broken > 0) cli.io.exitCode = exitCodes.findings;
  if (cli.json) {
    cli.showDocument(report);
    return;
  }
  const width = cli.io.stdout.isTTY ? cli.io.stdout.columns : undefined;
  cli.print(renderTable(report.attempts, columns, { paint: cli.paintOut, width }));
  const mark = broken === 0 ? cli.paintOut('green', '✓') : cli.paintOut('red', '✗');
  cli.print(`${mark} ${held} held, ${broken} broken, ${untried} not tried\n`);
}

const columns: readonly Column<Attempt>[] = [
  { title: 'CASE', cell: (row) => row.case },
  { title: 'GROUP', cell: (row) => row.group },
  { title: 'TRIED', cell: (row) => row.what, shrinks: true },
  { title: 'CAME BACK', cell: (row) => row.got, shrinks: true },
  {
    title: 'VERDICT',
    cell: (row) => row.verdict,
    paint: (text, row, paint) =>
      paint(row.verdict === 'held' ? 'green' : row.verdict === 'broken' ? 'red' : 'yellow', text),
  },
];
