// `npm run bench -- cold [--tenants 500] [--storm 500] [--connections 50] [--rounds 3] [--seconds 10] [--in folder]`: a runtime that
// knows nobody is asked by --storm tenants at once, with few connections (R06); then all of them go on asking through those connections.
// Beside it two floors: the same storm when every tenant's route, token and session is there, and the logins alone that a cold storm
// makes, as many at once as the runtime makes them. Answers other than 200 are counted and shown. --in keeps the installation.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openSession } from '../../platform/postgres/session.ts';
import { startBenchServer } from './route/processes.ts';
import { type BenchHouse, setUpTenants } from './route/set-up.ts';
import { type Asked, ask, askEach, countStatuses, percentile } from './tenants/ask.ts';
import { countSessions } from './tenants/count-sessions.ts';

const query = 'select 1 as n';
/** As many logins at once as a runtime makes on one cluster. */
const loginsAtOnce = 16;

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      tenants: { type: 'string', default: '500' },
      storm: { type: 'string', default: '500' },
      connections: { type: 'string', default: '50' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '10' },
      in: { type: 'string' },
    },
  });
  const [tenants, connections, rounds, seconds] = [
    values.tenants,
    values.connections,
    values.rounds,
    values.seconds,
  ].map(Number) as [number, number, number, number];
  const atOnce = Math.min(tenants, Number(values.storm));
  const folder = values.in ?? fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-bench-'));
  fs.mkdirSync(folder, { recursive: true });
  fs.chmodSync(folder, 0o711);
  const closers: (() => Promise<void>)[] = [];
  try {
    console.log(`Making ${tenants} tenants …`);
    const house = await setUpTenants(folder, tenants);
    closers.push(house.close);
    const tokens = fs.readFileSync(house.tokensFile, 'utf8').trim().split('\n');
    const storming = tokens.slice(0, atOnce);
    const sessions = await countSessions(house.server);
    closers.push(sessions.close);
    const few = { ...house.env, FREEHOLD_RUNTIME_SESSIONS_PER_CLUSTER_MAX: String(connections) };
    const warm = await startBenchServer('routed', house.env);
    closers.push(warm.stop);
    await askEach(warm.url, storming);
    await storm(warm.url, storming);

    const storms: Record<string, string | number>[] = [];
    for (let round = 1; round <= rounds; round++) {
      const floor = await storm(warm.url, storming);
      const loginsMs = await loginsAlone(house, atOnce);
      const cold = await startBenchServer('routed', few);
      await sessions.reset();
      const before = sessions.most();
      const answers = await storm(cold.url, storming);
      const p99 = p(answers, 0.99);
      storms.push({
        round,
        answers: countStatuses(answers),
        'cold p50 ms': Math.round(p(answers, 0.5)),
        'cold p99 ms': Math.round(p99),
        'warm p99 ms': Math.round(p(floor, 0.99)),
        'logins alone ms': Math.round(loginsMs),
        'p99 / logins': (p99 / loginsMs).toFixed(2),
        'sessions at most': sessions.most() - before,
        limit: connections,
      });
      await cold.stop();
    }
    console.log(`\n${atOnce} tenants at once, ${connections} connections, nobody known`);
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
        'p50 ms': Math.round(p(answers, 0.5)),
        'p99 ms': Math.round(p(answers, 0.99)),
      },
    ]);
  } finally {
    for (const close of closers.reverse()) await close();
    if (values.in === undefined) fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

const p = (answers: readonly Asked[], share: number): number =>
  percentile(
    answers.map(({ ms }) => ms),
    share,
  );

function storm(url: string, tokens: readonly string[]): Promise<Asked[]> {
  return Promise.all(tokens.map((token) => ask(url, token, query)));
}

/** One session into each of so many tenants' databases, asked once and closed. @returns milliseconds for all of them */
async function loginsAlone({ server }: BenchHouse, count: number): Promise<number> {
  const session = await openSession(server, { applicationName: 'bench' });
  const { rows } = await session.query<{ datname: string }>(
    `select datname from pg_database where datname ~ '^t_' order by datname limit $1`,
    [count],
  );
  await session.close();
  const startedMs = performance.now();
  let next = 0;
  const one = async () => {
    for (let at = next++; at < rows.length; at = next++) {
      const login = await openSession({ ...server, database: rows[at]?.datname ?? '' }, { applicationName: 'bench' });
      await login.queryRaw(query);
      await login.close();
    }
  };
  await Promise.all(Array.from({ length: loginsAtOnce }, one));
  return performance.now() - startedMs;
}
