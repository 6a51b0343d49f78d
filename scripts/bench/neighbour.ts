// `npm run bench -- neighbour [--neighbours 10] [--rate 20] [--rounds 6] [--seconds 8] [--cpu]`: what one tenant at fifty times the
// rate of the others, with statements of 30 seconds, does to the 99th percentile of the others (R07). Quiet and noisy turns take
// turns within one run; only turns of one pair are compared. With --cpu its statements burn processor time instead of sleeping,
// which no router can keep from neighbours on the same server: for information.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startBenchServer } from './route/processes.ts';
import { setUpTenants } from './route/set-up.ts';
import { type Asked, ask, countStatuses, percentile } from './tenants/ask.ts';

const timesNoisier = 50;
const query = 'select count(*) from customers';

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
    const quietTurn = () => openLoop(server.url, others, neighbours * rate, seconds, query);
    await quietTurn();
    const rows: Record<string, string | number>[] = [];
    const ratios: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      const turns = { quiet: [] as Asked[], noisy: [] as Asked[], noise: [] as Asked[] };
      for (const kind of round % 2 === 0 ? (['noisy', 'quiet'] as const) : (['quiet', 'noisy'] as const)) {
        if (kind === 'quiet') turns.quiet = await quietTurn();
        else {
          const leaving = new AbortController();
          const noise = openLoop(server.url, [noisy], timesNoisier * rate, seconds, slow, leaving.signal);
          turns.noisy = await quietTurn();
          leaving.abort();
          turns.noise = await noise;
        }
      }
      const p99 = (answers: Asked[]) =>
        percentile(
          answers.map(({ ms }) => ms),
          0.99,
        );
      const ratio = p99(turns.noisy) / p99(turns.quiet);
      ratios.push(ratio);
      rows.push({
        round,
        'quiet p99 ms': p99(turns.quiet).toFixed(2),
        'noisy p99 ms': p99(turns.noisy).toFixed(2),
        ratio: ratio.toFixed(2),
        'the others got': countStatuses(turns.noisy),
        'the noisy one got': countStatuses(turns.noise),
      });
    }
    console.table(rows);
    ratios.sort((a, b) => a - b);
    const median = ratios[Math.floor(ratios.length / 2)] ?? Number.NaN;
    console.log(
      `p99 noisy / quiet: min ${ratios[0]?.toFixed(2)}, median ${median.toFixed(2)}, max ${ratios.at(-1)?.toFixed(2)} (target ≤ 1.10)`,
    );
  } finally {
    for (const close of closers.reverse()) await close();
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** Sends at a rate and does not wait for answers to send the next. Requests that were given up are left out. */
async function openLoop(
  url: string,
  tokens: readonly string[],
  perSecond: number,
  seconds: number,
  statement: string,
  signal?: AbortSignal,
): Promise<Asked[]> {
  const answers: Asked[] = [];
  const pending: Promise<unknown>[] = [];
  const startedMs = performance.now();
  const total = perSecond * seconds;
  for (let sent = 0; sent < total && signal?.aborted !== true; ) {
    const due = Math.min(total, Math.floor(((performance.now() - startedMs) / 1_000) * perSecond));
    for (; sent < due; sent++) {
      const token = tokens[sent % tokens.length] as string;
      pending.push(
        ask(url, token, statement, signal).then(
          (answer) => answers.push(answer),
          () => {},
        ),
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await Promise.all(pending);
  return answers;
}
