// `npm run bench -- cold [--tenants 500] [--connections 50] [--rounds 3] [--seconds 10]`: a runtime that knows nobody is asked by
// every tenant at once, with few connections (R06); then all of them go on asking through those connections. Beside it the floor:
// the same storm when every tenant's route, token and session is there. Answers other than 200 are counted and shown.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startBenchServer } from './route/processes.ts';
import { setUpTenants } from './route/set-up.ts';
import { type Asked, ask, countStatuses, percentile } from './tenants/ask.ts';
import { countSessions } from './tenants/count-sessions.ts';

const query = 'select 1 as n';

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      tenants: { type: 'string', default: '500' },
      connections: { type: 'string', default: '50' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '10' },
    },
  });
  const [tenants, connections, rounds, seconds] = [
    values.tenants,
    values.connections,
    values.rounds,
    values.seconds,
  ].map(Number) as [number, number, number, number];
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-bench-'));
  fs.chmodSync(folder, 0o711);
  const closers: (() => Promise<void>)[] = [];
  try {
    console.log(`Making ${tenants} tenants …`);
    const house = await setUpTenants(folder, tenants);
    closers.push(house.close);
    const tokens = fs.readFileSync(house.tokensFile, 'utf8').trim().split('\n');
    const sessions = await countSessions(house.server);
    closers.push(sessions.close);
    const few = { ...house.env, FREEHOLD_RUNTIME_SESSIONS_PER_CLUSTER_MAX: String(connections) };
    const warm = await startBenchServer('routed', house.env);
    closers.push(warm.stop);
    for (let n = 0; n < 3; n++) await storm(warm.url, tokens);

    const storms: Record<string, string | number>[] = [];
    for (let round = 1; round <= rounds; round++) {
      const floor = await storm(warm.url, tokens);
      const cold = await startBenchServer('routed', few);
      sessions.reset();
      const before = await idleSessionsOf(sessions);
      const answers = await storm(cold.url, tokens);
      storms.push({
        round,
        answers: countStatuses(answers),
        'cold p50 ms': Math.round(
          percentile(
            answers.map(({ ms }) => ms),
            0.5,
          ),
        ),
        'cold p99 ms': Math.round(
          percentile(
            answers.map(({ ms }) => ms),
            0.99,
          ),
        ),
        'warm p99 ms': Math.round(
          percentile(
            floor.map(({ ms }) => ms),
            0.99,
          ),
        ),
        'sessions at most': sessions.most() - before,
        limit: connections,
      });
      await cold.stop();
    }
    console.log(`\n${tenants} tenants at once, ${connections} connections, nobody known`);
    console.table(storms);

    const through = await startBenchServer('routed', few);
    closers.push(through.stop);
    const answers: Asked[] = [];
    const untilMs = performance.now() + seconds * 1_000;
    const clients = Array.from({ length: Math.min(200, tenants) }, async () => {
      while (performance.now() < untilMs) {
        answers.push(await ask(through.url, tokens[Math.floor(Math.random() * tokens.length)] as string, query));
      }
    });
    await Promise.all(clients);
    console.log(`\n${tenants} tenants at random through ${connections} connections for ${seconds} s, 200 clients`);
    console.table([
      {
        answers: countStatuses(answers),
        'per second': Math.round(answers.length / seconds),
        'p50 ms': Math.round(
          percentile(
            answers.map(({ ms }) => ms),
            0.5,
          ),
        ),
        'p99 ms': Math.round(
          percentile(
            answers.map(({ ms }) => ms),
            0.99,
          ),
        ),
      },
    ]);
  } finally {
    for (const close of closers.reverse()) await close();
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

function storm(url: string, tokens: readonly string[]): Promise<Asked[]> {
  return Promise.all(tokens.map((token) => ask(url, token, query)));
}

/** Those of the warm runtime, which stay. */
async function idleSessionsOf(sessions: { most(): number }): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 200));
  return sessions.most();
}
