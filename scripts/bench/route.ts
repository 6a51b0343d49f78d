// `npm run bench -- route [--tenants 200] [--rounds 9] [--seconds 2] [--connections 32] [--only fixed,routed] [--in folder]
// [--profile folder]`: what routing costs. floor: the HTTP server alone. plain: one statement, one pool, one database. fixed: the SQL
// endpoint with that pool and no token. wide: the same with as many sessions as there are tenants. routed: token, route, and a session
// of the right tenant out of many. Servers and load are processes of their own; they are measured in turn within one run, and only
// ratios of one round are compared: many short rounds, because a shared machine is never the same for long. --in keeps the
// installation for later runs, --profile writes where the servers' processor time goes.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { measureLoad, type Spread } from './route/load.ts';
import { type BenchServer, startBenchServer } from './route/processes.ts';
import { childrenCpuMsOf, cpuMsBetween } from './route/processor-time.ts';
import { type Measured, reportRoute } from './route/report.ts';
import { setUpTenants } from './route/set-up.ts';
import { askEach } from './tenants/ask.ts';

type Case = { servers: readonly string[]; spread: Spread };

const cases: Readonly<Record<string, Case>> = {
  floor: { servers: ['floor'], spread: 'evenly' },
  plain: { servers: ['plain'], spread: 'evenly' },
  fixed: { servers: ['fixed'], spread: 'evenly' },
  wide: { servers: ['wide'], spread: 'evenly' },
  'routed-one-tenant': { servers: ['routed'], spread: 'one' },
  routed: { servers: ['routed'], spread: 'evenly' },
  'routed-zipf': { servers: ['routed'], spread: 'zipf' },
  uncached: { servers: ['uncached'], spread: 'evenly' },
  'routed-two-processes': { servers: ['routed', 'routed second'], spread: 'evenly' },
};

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      tenants: { type: 'string', default: '200' },
      rounds: { type: 'string', default: '9' },
      seconds: { type: 'string', default: '2' },
      connections: { type: 'string', default: '32' },
      only: { type: 'string' },
      in: { type: 'string' },
      profile: { type: 'string' },
    },
  });
  const [tenants, rounds, seconds, connections] = [
    values.tenants,
    values.rounds,
    values.seconds,
    values.connections,
  ].map(Number) as [number, number, number, number];
  const only = values.only?.split(',');
  const chosen = Object.keys(cases).filter((name) => only === undefined || only.includes(name));
  const folder = values.in ?? fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-bench-'));
  fs.mkdirSync(folder, { recursive: true });
  fs.chmodSync(folder, 0o711);
  const closers: (() => Promise<void>)[] = [];
  try {
    console.log(`Making ${tenants} tenants …`);
    const house = await setUpTenants(folder, tenants);
    closers.push(house.close);
    const servers = new Map<string, BenchServer>();
    for (const name of new Set(chosen.flatMap((each) => cases[each]?.servers ?? []))) {
      const server = await startBenchServer(name.split(' ')[0] as string, house.env, { profile: values.profile });
      closers.push(server.stop);
      servers.set(name, server);
    }
    const serversOf = (name: string) =>
      (cases[name] as Case).servers.map((server) => servers.get(server) as BenchServer);
    const load = async (name: string, forSeconds: number, warmingUp = false): Promise<number> => {
      const urls = serversOf(name).map(({ url }) => url);
      const rates = urls.map((url) =>
        measureLoad({
          url,
          tokensFile: house.tokensFile,
          seconds: forSeconds,
          connections: connections / urls.length,
          spread: (cases[name] as Case).spread,
          warmingUp,
        }),
      );
      return (await Promise.all(rates)).reduce((a, b) => a + b, 0);
    };
    const measure = async (name: string): Promise<Measured> => {
      const cpuMs = () => serversOf(name).reduce((sum, server) => sum + (server.cpuMs() ?? Number.NaN), 0);
      const before = { server: cpuMs(), postgres: childrenCpuMsOf(house.postgresPid) };
      const perSecond = await load(name, seconds);
      const microsEach = 1_000 / (perSecond * seconds);
      return {
        perSecond,
        serverMicros: (cpuMs() - before.server) * microsEach,
        postgresMicros: (cpuMsBetween(before.postgres, childrenCpuMsOf(house.postgresPid)) ?? Number.NaN) * microsEach,
      };
    };
    // Sessions are opened and code is warm before anything counts.
    const tokens = fs.readFileSync(house.tokensFile, 'utf8').trim().split('\n');
    for (const [name, { url }] of servers) await askEach(url, name === 'floor' ? tokens.slice(0, 1) : tokens);
    for (const name of chosen) await load(name, 3, true);
    const measured: Record<string, Measured[]> = Object.fromEntries(chosen.map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < chosen.length; at++) {
        const name = chosen[(at + round) % chosen.length] as string; // nobody is always first
        measured[name]?.push(await measure(name));
      }
    }
    reportRoute(measured, { tenants, rounds, seconds, connections });
  } finally {
    for (const close of closers.reverse()) await close();
    if (values.in === undefined) fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
