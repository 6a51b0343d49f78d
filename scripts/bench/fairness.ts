// `npm run bench -- fairness [--databases 200] [--rounds 6] [--probes 6]`: what a migration of the whole fleet does to somebody who
// wants a tenant meanwhile. One control plane does everything, on the servers that are being migrated. In each round tenants are
// made, warm and cold, while nothing else happens and while a rollout runs, in turn. Only turns of one round are compared.
import { randomBytes } from 'node:crypto';
import os from 'node:os';
import { parseArgs } from 'node:util';
import { type Fleet, makeFleet } from './fairness/fleet.ts';
import { threeSteps } from './fleet/rivals.ts';
import { percentile, timesTable } from './provision/figures.ts';
import { type House, openHouse } from './provision/house.ts';
import { createCold, createWarm } from './provision/product.ts';

const say = (line: string) => process.stdout.write(`${line}\n`);

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      databases: { type: 'string', default: '200' },
      rounds: { type: 'string', default: '6' },
      probes: { type: 'string', default: '6' },
    },
  });
  const [databases, rounds, probes] = [values.databases, values.rounds, values.probes].map(Number) as [
    number,
    number,
    number,
  ];
  const load = os.loadavg()[0] ?? 0;
  // Half of the fleet is claimed from the stock, then two turns of each round and one round that does not count.
  const house = await openHouse(Math.ceil(databases / 2) + 2 * (rounds + 1) * probes + 2, say);
  try {
    say(`making ${databases} tenants …`);
    const fleet = await makeFleet(house.client, databases, [house.warm.region, house.cold.region]);
    await round(house, fleet, 0, probes);
    const turns: Round[] = [];
    for (let nr = 1; nr <= rounds; nr++) turns.push(await round(house, fleet, nr, probes));
    report(turns, databases);
    say(
      `load average ${load.toFixed(1)} before, ${(os.loadavg()[0] ?? 0).toFixed(1)} at the end, ${os.cpus().length} cores`,
    );
  } finally {
    await house.close();
  }
}

type Turn = { warm: number[]; cold: number[] };
type Round = { idle: Turn; loaded: Turn };

async function round(house: House, fleet: Fleet, nr: number, probes: number): Promise<Round> {
  const idle = () => turn(house, probes, async () => true);
  const loaded = async () => {
    const rollout = await fleet.begin(threeSteps(`f${nr}`));
    const times = await turn(house, probes, rollout.running);
    await rollout.ended();
    return times;
  };
  if (nr % 2 === 0) return { idle: await idle(), loaded: await loaded() };
  const first = await loaded();
  return { idle: await idle(), loaded: first };
}

/** One after the other, as people come; what was not wholly within the rollout does not count. */
async function turn(house: House, probes: number, goesOn: () => Promise<boolean>): Promise<Turn> {
  const times: Turn = { warm: [], cold: [] };
  for (let probe = 0; probe < probes; probe++) {
    const slug = `probe-${randomBytes(6).toString('hex')}`;
    const { create, query } = await createWarm(house, `${slug}-w`);
    if (!(await goesOn())) break;
    times.warm.push(create + query);
    const cold = await createCold(house, `${slug}-c`);
    if (!(await goesOn())) break;
    times.cold.push(cold);
  }
  // The stock was filled beforehand: nothing may be built while it is measured.
  await house.catalog.query('delete from warm_demand');
  return times;
}

function report(rounds: readonly Round[], databases: number): void {
  const all = (of: (round: Round) => number[]) => rounds.flatMap(of);
  say(`\n${databases} databases and the probes' own; ${rounds.length} rounds`);
  say(
    timesTable([
      ['warm, create call to first query, idle', all(({ idle }) => idle.warm)],
      ['warm, while the fleet is migrated', all(({ loaded }) => loaded.warm)],
      ['cold, create call, idle', all(({ idle }) => idle.cold)],
      ['cold, while the fleet is migrated', all(({ loaded }) => loaded.cold)],
    ]),
  );
  say('\nmigrating over idle, round by round        min   median      max');
  for (const kind of ['warm', 'cold'] as const) {
    for (const [name, share] of [
      ['p50', 0.5],
      ['p99', 0.99],
    ] as const) {
      const ratios = rounds
        .filter(({ loaded }) => loaded[kind].length > 0)
        .map(({ idle, loaded }) => percentile(loaded[kind], share) / percentile(idle[kind], share));
      const cells = [0, 0.5, 1].map((at) => percentile(ratios, at).toFixed(2).padStart(9)).join('');
      say(`  ${kind} ${name}`.padEnd(36) + cells);
    }
  }
}
