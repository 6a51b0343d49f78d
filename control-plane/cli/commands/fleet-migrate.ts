// Owns `freehold fleet plan`, `migrate`, `rollback` and `exec`: the plan is shown, confirmed, begun on the server and followed.
import fs from 'node:fs';
import { type Command, Option } from 'commander';
import type { NewRollout, RolloutPlanView } from '../../client.ts';
import { confirmByName, confirmSimply } from '../ask.ts';
import { action, type Cli, type Io } from '../cli.ts';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { durationMs } from '../parse-options.ts';
import { renderPlan } from '../plan-display.ts';
import { addPolicyOptions, type PolicyFlags, policyOf } from '../policy-options.ts';
import { checkReportFiles, type ReportFlags, writeReports } from '../rollout-reports.ts';
import { addSelectionOptions, type SelectionFlags, selectionOf } from '../selection-options.ts';
import { reportRollout, watchRollout } from '../watch-rollout.ts';
import { addCloneOptions, type CloneFlags, dryRun } from './fleet-dry-run.ts';

type PlanFlags = SelectionFlags & PolicyFlags & { lane: 'core' | 'tenant'; to: string; sql?: boolean };
type RunFlags = PlanFlags & ReportFlags & { yes?: boolean; wait?: boolean; timeout?: number; file?: string };

export function addFleetMigrate(fleet: Command, io: Io): void {
  const plan = fleet
    .command('plan')
    .summary('see what a migration would do')
    .description(
      'Shows whom a migration would touch, in which waves, with which files, how long it may take, and everything that stands\nagainst it. Reads the catalog alone. Exit code 1 when it would be refused.',
    );
  addTarget(plan, 'latest')
    .option('--sql', 'with the SQL of each file')
    .addOption(new Option('--rollback', 'of a rollback to the release'))
    .action(action(io, showPlan));
  const migrate = fleet
    .command('migrate')
    .summary('bring databases to a release, wave by wave')
    .description(
      'Plans, asks, begins a rollout on the server and follows it. Ctrl-C leaves it running there.\nWith --json each event is one line of JSON on stdout.',
    );
  const tried = addRun(addTarget(migrate, 'latest')).option(
    '--dry-run',
    'try it in scratch databases and begin nothing: see `fleet dry-run`',
  );
  addCloneOptions(tried).action(action(io, tryOrRun));
  const rollback = fleet
    .command('rollback')
    .summary('take databases back to an older release')
    .description(
      'Undoes what databases hold beyond a release, the last file first, where every file declares a way back. After expand and\ncontract there is usually nothing to undo: the older application runs on the newer schema.',
    );
  addRun(addTarget(rollback)).action(action(io, (cli, flags: RunFlags) => run(cli, 'rollback', flags)));
  const exec = fleet
    .command('exec')
    .summary('run one reviewed statement in every tenant, once')
    .description(
      'Runs one statement exactly once in the database of each selected tenant, through the same waves and budget.',
    )
    .argument('[statement]', 'in quotes')
    .option('--file <file>', 'read the statement from a file; - is stdin');
  addRun(addPolicyOptions(addSelectionOptions(exec))).action(action(io, runExec));
}

async function tryOrRun(cli: Cli, flags: RunFlags & CloneFlags & { dryRun?: boolean }): Promise<void> {
  if (flags.dryRun === true) return await dryRun(cli, flags);
  if (flags.cloneTenant !== undefined) throw new CliError('--clone-tenant is for a dry run: add --dry-run.');
  await run(cli, 'migrate', flags);
}

function addTarget(command: Command, otherwise?: string): Command {
  const to = new Option('--to <release>', 'id or name of a release').default(otherwise);
  return addPolicyOptions(
    addSelectionOptions(
      command
        .addOption(new Option('--lane <lane>', 'which lane').choices(['core', 'tenant']).default('tenant'))
        .addOption(otherwise === undefined ? to.makeOptionMandatory() : to),
    ),
  );
}

function addRun(command: Command): Command {
  return command
    .option('--yes', 'do not ask')
    .option('--no-wait', 'begin it and do not follow it')
    .option('--timeout <duration>', 'follow so long at most (default: to its end)', durationMs)
    .option('--report-junit <file>', 'write a JUnit report, a test for each database')
    .option('--report-json <file>', 'write the rollout with all members as JSON');
}

function requestOf(kind: NonNullable<NewRollout['kind']>, flags: PlanFlags): NewRollout {
  return { kind, lane: flags.lane, release: flags.to, selection: selectionOf(flags), policy: policyOf(flags) };
}

async function showPlan(cli: Cli, flags: PlanFlags & { rollback?: boolean }): Promise<void> {
  const request = requestOf(flags.rollback === true ? 'rollback' : 'migrate', flags);
  const plan = await (await cli.client()).rollouts.plan(request, { sql: flags.sql === true });
  if (cli.json) cli.showDocument(plan);
  else cli.print(renderPlan(plan, cli.paintOut, widthOf(cli.io.stdout)));
  if (plan.refusals.length > 0) cli.io.exitCode = exitCodes.failed;
}

async function runExec(cli: Cli, given: string | undefined, flags: Omit<RunFlags, 'lane' | 'to'>): Promise<void> {
  if ((given === undefined) === (flags.file === undefined))
    throw new CliError('Give either a statement in quotes or --file.');
  const statement = given ?? readStatement(flags.file as string);
  const request: NewRollout = { kind: 'exec', statement, selection: selectionOf(flags), policy: policyOf(flags) };
  await begin(cli, request, flags);
}

function readStatement(file: string): string {
  try {
    return fs.readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (cause) {
    throw new CliError(`--file ${file} cannot be read.`, { cause });
  }
}

async function run(cli: Cli, kind: 'migrate' | 'rollback', flags: RunFlags): Promise<void> {
  await begin(cli, requestOf(kind, flags), flags);
}

type BeginFlags = ReportFlags & { yes?: boolean; wait?: boolean; timeout?: number };

async function begin(cli: Cli, request: NewRollout, flags: BeginFlags): Promise<void> {
  cli.io.refusedCode = exitCodes.failed;
  checkReportFiles(flags);
  const { rollouts } = await cli.client();
  const plan = await rollouts.plan(request);
  if (cli.json) cli.print(`${JSON.stringify({ type: 'plan', plan })}\n`);
  else if (cli.talks) cli.io.stderr.write(`${renderPlan(plan, cli.paintErr, widthOf(cli.io.stderr))}\n`);
  // With what stands against it the server answers itself, in its own words.
  if (plan.refusals.length === 0) {
    if (plan.databases === 0) {
      nothingToDo(cli, plan);
      return;
    }
    await confirm(cli, plan, flags.yes);
  }
  const begun = await rollouts.create(request);
  cli.io.refusedCode = undefined;
  if (cli.json) cli.print(`${JSON.stringify({ type: 'begun', rollout: begun })}\n`);
  if (flags.wait === false) {
    if (!cli.json) cli.print(`${begun.id}\n`);
    cli.note(`Follow it: freehold fleet watch ${begun.id}`);
    return;
  }
  const { rollout } = await watchRollout(cli, begun, flags.timeout);
  await writeReports(cli, rollout, flags);
  if (!cli.json) cli.print(`${rollout.id} ${rollout.state}\n`);
  reportRollout(cli, rollout);
}

/** A terminal that does not tell its width says 0. */
function widthOf(stream: NodeJS.WriteStream): number | undefined {
  return stream.isTTY ? stream.columns || 80 : undefined;
}

function nothingToDo(cli: Cli, { kind, release, already_there }: RolloutPlanView): void {
  cli.note(
    kind === 'rollback'
      ? `Nothing is to be undone: no selected database holds anything beyond ${release?.name ?? 'it'}.\nAfter expand and contract the older application runs on the newer schema: deploy it.`
      : `Nothing is to be done: ${already_there} databases are there already.`,
  );
}

const nouns = { migrate: 'migration', rollback: 'rollback', exec: 'statement' } as const;

/** From so many databases on, or where something is taken away, a y that slipped out is not enough. */
const typedFrom = 100;

async function confirm(cli: Cli, plan: RolloutPlanView, yes: boolean | undefined): Promise<void> {
  const { kind, databases, release } = plan;
  const contract = release !== null && release.contract_requires !== null && kind === 'migrate';
  const what = `This begins a ${nouns[kind]} in ${databases} databases${contract ? ', with a contract step' : ''}.`;
  if (databases < typedFrom && !contract && kind === 'migrate') return await confirmSimply(cli, `${what} Go on?`, yes);
  await confirmByName(cli, what, release?.name ?? String(databases), yes);
}
