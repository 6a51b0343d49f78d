// Owns how a command line says in which steps a rollout goes and what stops it: flags over a policy file.
import fs from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { NewRollout } from '../client.ts';
import { CliError } from './cli-error.ts';
import { durationMs, wholeNumber } from './parse-options.ts';
import { parseWindow, type WindowInput } from './window-text.ts';

export type Policy = NonNullable<NewRollout['policy']>;
type Wave = NonNullable<Policy['waves']>[number];

export type PolicyFlags = {
  policy?: string;
  canary?: string;
  wave?: Wave[];
  bake?: number;
  concurrency?: number;
  perCluster?: number;
  maxFailures?: string;
  maxLockWait?: number;
  maxSlower?: number;
  maxErrors?: number;
  maxP99?: number;
  onFailure?: 'continue' | 'stop';
  lockTimeout?: number;
  lockRetries?: number;
  statementTimeout?: number;
  probe?: string;
  window?: WindowInput;
  onDemand?: boolean;
};

export function addPolicyOptions(command: Command): Command {
  return command
    .addOption(new Option('--canary <n|n%>', 'tenants of the first wave (default: 1)').argParser(sizeOf))
    .addOption(
      new Option(
        '--wave <n|n%|group:name>',
        'a wave behind the canary; repeatable; the rest comes last (default: 10%)',
      ).argParser(waveOf),
    )
    .addOption(new Option('--bake <duration>', 'wait so long behind each wave').argParser(durationMs))
    .addOption(new Option('--concurrency <n>', 'databases at once in all (default: 12)').argParser(wholeNumber(1, 256)))
    .addOption(new Option('--per-cluster <n>', 'and on each cluster (default: 12)').argParser(wholeNumber(1, 64)))
    .addOption(
      new Option('--max-failures <n|n%|"n% max n">', 'tolerated failures (default: 5% max 10)').argParser(failuresOf),
    )
    .addOption(new Option('--max-lock-wait <duration>', 'time that one member waits for locks').argParser(durationMs))
    .addOption(new Option('--max-slower <factor>', 'a member against the median of the canary').argParser(factorOf))
    .addOption(new Option('--max-errors <n%>', 'failed requests of migrated tenants').argParser(shareOf))
    .addOption(new Option('--max-p99 <factor>', 'their p99 against that of the others').argParser(factorOf))
    .addOption(new Option('--on-failure <what>', 'with a failed tenant').choices(['continue', 'stop']))
    .addOption(new Option('--lock-timeout <duration>', 'wait for a lock (default: 1s)').argParser(durationMs))
    .addOption(new Option('--lock-retries <n>', 'tries after it (default: 5)').argParser(wholeNumber(0, 100)))
    .addOption(new Option('--statement-timeout <duration>', 'of a statement (default: 5m)').argParser(durationMs))
    .addOption(new Option('--probe <select>', 'must give one true value in each migrated database'))
    .addOption(
      new Option(
        '--window <when>',
        'only then: "Sat,Sun 02:00-04:00 Europe/Zurich" or two moments with / between',
      ).argParser(parseWindow),
    )
    .addOption(new Option('--on-demand', 'a tenant that is asked for before its wave is migrated first'))
    .addOption(new Option('--policy <file>', 'JSON of the whole policy; flags go before it'));
}

/** @throws CliError for a policy file that cannot be read */
export function policyOf(flags: PolicyFlags): Policy {
  const file = flags.policy === undefined ? {} : readPolicy(flags.policy);
  const waves = wavesOf(flags, file.waves);
  return {
    ...file,
    ...(waves !== undefined && { waves }),
    ...budgetOf(flags, file.budget),
    ...(flags.onFailure !== undefined && { on_failure: flags.onFailure }),
    ...(flags.concurrency !== undefined && { concurrency: flags.concurrency }),
    ...(flags.perCluster !== undefined && { concurrency_per_cluster: flags.perCluster }),
    ...(flags.lockTimeout !== undefined && { lock_timeout_ms: flags.lockTimeout }),
    ...(flags.lockRetries !== undefined && { lock_retries: flags.lockRetries }),
    ...(flags.statementTimeout !== undefined && { statement_timeout_ms: flags.statementTimeout }),
    ...(flags.probe !== undefined && { probe: flags.probe }),
    ...(flags.onDemand !== undefined && { on_demand: flags.onDemand }),
  };
}

function budgetOf(flags: PolicyFlags, fromFile: Policy['budget']): Pick<Policy, 'budget'> {
  const { maxFailures, maxLockWait, maxSlower, maxErrors, maxP99 } = flags;
  const rules = {
    ...(maxFailures !== undefined && { failures: maxFailures }),
    ...(maxLockWait !== undefined && { lock_wait_ms: maxLockWait }),
    ...(maxSlower !== undefined && { duration_factor: maxSlower }),
    ...(maxErrors !== undefined && { error_rate: maxErrors }),
    ...(maxP99 !== undefined && { p99_factor: maxP99 }),
  };
  return Object.keys(rules).length === 0 ? {} : { budget: { ...fromFile, ...rules } };
}

/** A window or a bake time is of every wave, so the waves that the server would choose are written out. */
function wavesOf(
  { canary, wave, bake, window }: PolicyFlags,
  fromFile: readonly Wave[] | undefined,
): Wave[] | undefined {
  const own = canary !== undefined || wave !== undefined;
  if (!own && bake === undefined && window === undefined) return undefined;
  const first: Wave = { name: 'canary', size: canary ?? '1' };
  const chosen = own || fromFile === undefined ? [first, ...(wave ?? [{ size: '10%' }])] : fromFile;
  const all: Wave[] = window === undefined ? [...chosen] : [...chosen, { name: 'the rest', size: '100%' }];
  return all.map((each) => ({
    ...each,
    ...(bake !== undefined && { bake_ms: bake }),
    ...(window !== undefined && { window: window as NonNullable<Wave['window']> }),
  }));
}

function readPolicy(file: string): Policy {
  try {
    const policy: unknown = JSON.parse(fs.readFileSync(file, 'utf8'));
    if (typeof policy === 'object' && policy !== null && !Array.isArray(policy)) return policy as Policy;
  } catch (cause) {
    const why = cause instanceof SyntaxError ? `is not JSON: ${cause.message}` : 'cannot be read';
    throw new CliError(`--policy ${file} ${why}.`, { cause });
  }
  throw new CliError(`--policy ${file} does not hold a JSON object.`);
}

const size = /^(\d{1,6}|(100|\d{1,2}(\.\d+)?)%)$/;

function sizeOf(text: string): string {
  if (!size.test(text) || Number.parseFloat(text) === 0)
    throw new InvalidArgumentError('Write a number of tenants or a percentage, such as 5 or 10%.');
  return text;
}

function failuresOf(text: string): string {
  if (!/^(\d{1,6}|(100|\d{1,2}(\.\d+)?)%( max \d{1,6})?)$/.test(text))
    throw new InvalidArgumentError('Write a number of databases, a percentage or both, such as 0, 2% or "5% max 10".');
  return text;
}

function factorOf(text: string): number {
  if (!/^\d{1,4}(\.\d+)?$/.test(text) || Number(text) < 1)
    throw new InvalidArgumentError('Write a factor of 1 or more, such as 1.5.');
  return Number(text);
}

function shareOf(text: string): number {
  const share = Number(text.slice(0, -1)) / 100;
  if (!/^\d{1,3}(\.\d+)?%$/.test(text) || share > 1)
    throw new InvalidArgumentError('Write a percentage, such as 0.5%.');
  return share;
}

function waveOf(text: string, before: Wave[] = []): Wave[] {
  return [...before, text.startsWith('group:') ? { group: text.slice('group:'.length) } : { size: sizeOf(text) }];
}
