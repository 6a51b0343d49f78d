// `npm run bench -- fleet [--databases 200] [--rounds 3] [--cli-databases 24] [--policy JSON]
// [--only psql,floor,freehold]`: what migrating a fleet costs. The same
// three-step migration, new in each round, over the same databases by psql under xargs, node-pg-migrate's command line, its
// runner in one process, a bare loop of sessions (the floor) and a real rollout with queue, catalog, ledger, canary and budget.
// All are measured in turn within each round, and only ratios of one round are compared.
import os from 'node:os';
import { parseArgs } from 'node:util';
import { rolloutPolicySchema } from '../../catalog/rollout-policy.ts';
import { openFleetHouse } from './fleet/house.ts';
import { freehold, prepareFleet } from './fleet/product.ts';
import { commandLine, floor, psql, type Rival, runnerInProcess } from './fleet/rivals.ts';
import { ratiosTable } from './provision/figures.ts';

const allNames = ['psql', 'command line', 'runner', 'floor', 'freehold'] as const;
type Name = (typeof allNames)[number];

const say = (line: string) => process.stdout.write(`${line}\n`);

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      databases: { type: 'string', default: '200' },
      rounds: { type: 'string', default: '3' },
      'cli-databases': { type: 'string', default: '24' },
      only: { type: 'string', default: allNames.join(',') },
      policy: { type: 'string', default: '{}' },
    },
  });
  const [count, rounds, cliCount] = [values.databases, values.rounds, values['cli-databases']].map(Number) as [
    number,
    number,
    number,
  ];
  const load = os.loadavg()[0] ?? 0;
  const house = await openFleetHouse({
    databases: count,
    warmMax: 0,
    policy: rolloutPolicySchema.parse(JSON.parse(values.policy)),
    say,
  });
  try {
    const contenders = contendersOf(Math.min(count, cliCount));
    const names = allNames.filter((name) => values.only.split(',').includes(name));
    say('preparing: bench tables by a first rollout, and one round that does not count …');
    await prepareFleet(house);
    for (const name of names) await contenders[name](house, 0);
    const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as unknown as Times;
    for (let round = 1; round <= rounds; round++) {
      for (let at = 0; at < names.length; at++) {
        const name = names[(at + round) % names.length] as Name; // nobody is always first
        times[name]?.push(await contenders[name](house, round));
      }
    }
    report(times, count);
    say(
      `load average ${load.toFixed(1)} before, ${(os.loadavg()[0] ?? 0).toFixed(1)} at the end, ${os.cpus().length} cores`,
    );
  } finally {
    await house.close();
  }
}

type Times = Partial<Record<Name, number[]>>;

function contendersOf(cliCount: number): Record<Name, Rival> {
  return { psql, 'command line': commandLine(cliCount), runner: runnerInProcess, floor, freehold };
}

function report(times: Times, count: number): void {
  say(`\n${count} databases; databases per second in each round`);
  for (const [name, ms] of Object.entries(times))
    say(`  ${name.padEnd(14)}${ms.map((each) => ((count / each) * 1000).toFixed(1).padStart(9)).join('')}`);
  const ratios: [title: string, over: Name, under: Name][] = [
    ['psql -P8 over freehold (target ≥ 1.30)', 'psql', 'freehold'],
    ['command line -P8 over freehold (target ≥ 10)', 'command line', 'freehold'],
    ['runner c=8 over freehold', 'runner', 'freehold'],
    ['freehold over floor (target ≤ 1.25)', 'freehold', 'floor'],
    ['runner c=8 over floor', 'runner', 'floor'],
  ];
  const rows = ratios.flatMap(([title, over, under]) => {
    const [a, b] = [times[over], times[under]];
    return a === undefined || b === undefined ? [] : [[title, a, b] as const];
  });
  say(`\n${ratiosTable(rows)}`);
}
