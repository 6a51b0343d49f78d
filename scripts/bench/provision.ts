// Owns the proof of the promises on provisioning: a warm tenant is ready (create call to first successful query) within 25 ms at
// the median and 100 ms at p99, a cold one within 1.3 times the bare SQL of the same work, and a claim costs the same whatever
// the installation holds already. Product and bare SQL take turns within each round; quote the ratios.
// `npm run bench -- provision [--rounds N] [--role-sets 10,1000,10000]`
import { createHash, randomBytes } from 'node:crypto';
import os from 'node:os';
import { parseArgs } from 'node:util';
import { bareCold } from './provision/bare-cold.ts';
import { bareWarm } from './provision/bare-warm.ts';
import { median, ratiosTable, spread, timed, timesTable } from './provision/figures.ts';
import { grow } from './provision/growth.ts';
import { type House, openHouse } from './provision/house.ts';
import { createCold, createWarm } from './provision/product.ts';

/** Connections, plans and compiled code of all four sides are warm after these; a first request is another promise. */
const warmUpRounds = 3;
const roundsPerLevel = 20;

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { rounds: { type: 'string', default: '30' }, 'role-sets': { type: 'string' } },
  });
  const rounds = Number(values.rounds);
  const levels = values['role-sets']?.split(',').map(Number) ?? [];
  if (![rounds, ...levels].every((n) => Number.isInteger(n) && n > 0)) throw new Error('counts must be whole numbers');
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const load = os.loadavg()[0] ?? 0;
  // Each round takes two of the stock: one by the product, one by bare SQL.
  const stock = 2 * (rounds + warmUpRounds + levels.length * roundsPerLevel) + 2;
  const house = await openHouse(stock, say);
  try {
    for (let round = 0; round < warmUpRounds; round += 1) await fullRound(house, newTimes());
    const times = newTimes();
    for (let round = 0; round < rounds; round += 1) await fullRound(house, times);
    say(`\n${report(times)}`);
    say(`noise: hashing ${spread(times.hash)}, one commit ${spread(times.commit)}; ${loadLine(load)}`);
    if (levels.length > 0) await atLevels(house, levels, say);
  } finally {
    await house.close();
  }
}

type RoundTimes = ReturnType<typeof newTimes>;

function newTimes() {
  return {
    create: [] as number[],
    mint: [] as number[],
    query: [] as number[],
    bareCreate: [] as number[],
    bareQuery: [] as number[],
    cold: [] as number[],
    bareCold: [] as number[],
    hash: [] as number[],
    commit: [] as number[],
  };
}

async function warmRound(house: House, times: RoundTimes): Promise<void> {
  const slug = `bench-${randomBytes(6).toString('hex')}`;
  const warm = await createWarm(house, slug);
  times.create.push(warm.create);
  times.mint.push(warm.mint);
  times.query.push(warm.query);
  const bare = await bareWarm(house, `${slug}-b`);
  times.bareCreate.push(bare.create);
  times.bareQuery.push(bare.query);
  // The bench has filled the stock beforehand: nothing may be built while it measures.
  await house.catalog.query('delete from warm_demand');
  times.hash.push((await timed(async () => createHash('sha256').update(hashed).digest())).ms);
  times.commit.push((await timed(() => house.catalog.query('update plans set version = version'))).ms);
}

async function fullRound(house: House, times: RoundTimes): Promise<void> {
  await warmRound(house, times);
  const slug = `bench-${randomBytes(6).toString('hex')}`;
  times.cold.push(await createCold(house, `${slug}-c`));
  times.bareCold.push(await bareCold(house, `${slug}-d`));
}

const hashed = Buffer.alloc(4_000_000, 7);

function report(times: RoundTimes): string {
  const ready = sum(times.create, times.query);
  const bareReady = sum(times.bareCreate, times.bareQuery);
  const stated = timesTable([
    ['a  warm: create call, Prefer: wait → 201', times.create],
    ['   warm: mint a token', times.mint],
    ['   warm: first query through the runtime', times.query],
    ['a  warm: create to first query, without mint', ready],
    ['   warm: create to first query, with mint', sum(ready, times.mint)],
    ['b  bare SQL of the warm claim', times.bareCreate],
    ['   bare SQL of the first query', times.bareQuery],
    ['b  bare SQL, claim to first query', bareReady],
    ['c  cold: create call, Prefer: wait → 201', times.cold],
    ['d  bare SQL of the cold create', times.bareCold],
  ]);
  const ratios = ratiosTable([
    ['a/b  warm over bare, create to first query', ready, bareReady],
    ['     warm over bare, create call alone', times.create, times.bareCreate],
    ['c/d  cold over bare', times.cold, times.bareCold],
    ['c/a  cold create over warm create', times.cold, times.create],
  ]);
  return `${stated}\n\n${ratios}`;
}

async function atLevels(house: House, levels: readonly number[], say: (line: string) => void): Promise<void> {
  say('\nmedian ms of the warm claim, by sets of six roles on the cluster and tenants in the catalog');
  const columns = ['create', 'to query', 'bare', 'ratio', 'hashing', 'commit'];
  say(`${'sets and tenants'.padEnd(20)}${columns.map((name) => name.padStart(10)).join('')}`);
  let there = 0;
  for (const level of levels.toSorted((a, b) => a - b)) {
    await grow(house, there, level);
    there = level;
    const times = newTimes();
    for (let round = 0; round < roundsPerLevel; round += 1) await warmRound(house, times);
    const ready = sum(times.create, times.query);
    const bare = sum(times.bareCreate, times.bareQuery);
    const ratios = ready.map((value, round) => value / (bare[round] ?? Number.NaN));
    // The last two say how busy the machine was at this level: they know nothing of roles and tenants.
    const cells = [times.create, ready, bare, ratios, times.hash, times.commit].map((values) =>
      median(values)
        .toFixed(values === ratios ? 2 : 1)
        .padStart(10),
    );
    say(`${String(level).padEnd(20)}${cells.join('')}`);
  }
}

function sum(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, at) => value + (b[at] ?? Number.NaN));
}

function loadLine(before: number): string {
  return `load average ${before.toFixed(1)} before, ${(os.loadavg()[0] ?? 0).toFixed(1)} at the end, ${os.cpus().length} cores`;
}
