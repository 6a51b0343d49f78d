// `npm run bench -- neighbour [--neighbours 10] [--rate 20] [--rounds 6] [--seconds 8] [--cpu]`: what one tenant at fifty times the
// rate of the others, with statements of 30 seconds, does to the 99th percentile of the others (R07). Quiet and noisy turns take
// turns within one run, and a second quiet one tells what the same thing twice differs by; only turns of one round are compared.
// The noisy client, the others' and the server are processes of their own. With --cpu its statements burn processor time instead
// of sleeping, which no router can keep from neighbours on the same server: for information.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startBenchServer } from './route/processes.ts';
import { setUpTenants } from './route/set-up.ts';
import { type Asked, countStatuses, percentile } from './tenants/ask.ts';
import { runOpenLoop } from './tenants/open-loop.ts';

const timesNoisier = 50;
const query = 'select count(*) from customers';
/** The noise begins before the others' turn and ends after it. */
const aroundSec = 2;
const kinds = ['quiet', 'noisy', 'again'] as const;
type Turn = (typeof kinds)[number];

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      neighbours: { type: 'string', default: '10' },
      rate: { type: 'string', default: '20' },
      rounds: { type: 'string', default: '6' },
      seconds: { type: 'string', default: '8' },
      cpu: { type: 'boolean', default: false },
    },
  });
  const [neighbours, rate, rounds, seconds] = [values.neighbours, values.rate, values.rounds, values.seconds].map(
    Number,
  ) as [number, number, number, number];
  const slow = values.cpu ? 'select count(*) from generate_series(1, 1000000000)' : 'select pg_sleep(30)';
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-bench-'));
  fs.chmodSync(folder, 0o711);
  const closers: (() => Promise<void>)[] = [];
  try {
    const house = await setUpTenants(folder, neighbours + 1);
    closers.push(house.close);
    const [noisy, ...others] = fs.readFileSync(house.tokensFile, 'utf8').trim().split('\n') as [string, ...string[]];
    const server = await startBenchServer('routed', { ...house.env, FREEHOLD_RUNTIME_SESSION_WAIT_MS: '5000' });
    closers.push(server.stop);
    const turnOf = () =>
      runOpenLoop({ url: server.url, tokens: others, perSecond: neighbours * rate, seconds, query, leave: false });
    const noiseOf = () =>
      runOpenLoop({
        url: server.url,
        tokens: [noisy],
        perSecond: timesNoisier * rate,
        seconds: seconds + aroundSec,
        query: slow,
        leave: true,
      });
    await turnOf();
    await turnOf();
    const rows: Record<string, string | number>[] = [];
    const ratios = { noisy: [] as number[], again: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      const turns: Record<Turn, Asked[]> = { quiet: [], noisy: [], again: [] };
      let noise: Asked[] = [];
      for (let at = 0; at < kinds.length; at++) {
        const kind = kinds[(at + round) % kinds.length] as Turn; // nobody is always first
        const noisily = kind === 'noisy' ? noiseOf() : undefined;
        if (noisily !== undefined) await new Promise((resolve) => setTimeout(resolve, (aroundSec / 2) * 1_000));
        turns[kind] = await turnOf();
        noise = (await noisily) ?? noise;
      }
      const p99 = (kind: Turn) =>
        percentile(
          turns[kind].map(({ ms }) => ms),
          0.99,
        );
      ratios.noisy.push(p99('noisy') / p99('quiet'));
      ratios.again.push(p99('again') / p99('quiet'));
      rows.push({
        round: round + 1,
        'quiet p99 ms': p99('quiet').toFixed(2),
        'noisy p99 ms': p99('noisy').toFixed(2),
        'quiet again p99 ms': p99('again').toFixed(2),
        'the others got': countStatuses(turns.noisy),
        'the noisy one got': countStatuses(noise),
      });
    }
    console.table(rows);
    const told = (values: number[]): string => {
      const sorted = [...values].sort((a, b) => a - b);
      const [min, median, max] = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
      return `min ${min?.toFixed(2)}, median ${median?.toFixed(2)}, max ${max?.toFixed(2)}`;
    };
    console.log(`p99 noisy / quiet: ${told(ratios.noisy)} (target ≤ 1.10)`);
    console.log(`p99 quiet again / quiet: ${told(ratios.again)} (what the same thing twice differs by)`);
  } finally {
    for (const close of closers.reverse()) await close();
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
