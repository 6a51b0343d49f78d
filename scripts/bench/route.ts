// `npm run bench -- route [--tenants 200] [--rounds 3] [--seconds 4] [--connections 32]`: what routing costs.
// floor: the HTTP server alone. fixed: the SQL endpoint with one pool on one database and no token. routed: token, route,
// and a session of the right tenant out of many. uncached: the same with every signature checked. Each is a process of its
// own, so is the load; they are measured in turn within one run, and only ratios of one round are compared.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { measureLoad } from './route/load.ts';
import { type BenchServer, startBenchServer } from './route/processes.ts';
import { setUpTenants } from './route/set-up.ts';

const kinds = ['floor', 'fixed', 'routed', 'uncached'] as const;
type Kind = (typeof kinds)[number];

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      tenants: { type: 'string', default: '200' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
      connections: { type: 'string', default: '32' },
    },
  });
  const [tenants, rounds, seconds, connections] = [
    values.tenants,
    values.rounds,
    values.seconds,
    values.connections,
  ].map(Number) as [number, number, number, number];
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-bench-'));
  fs.chmodSync(folder, 0o711);
  const closers: (() => Promise<void>)[] = [];
  try {
    console.log(`Making ${tenants} tenants …`);
    const house = await setUpTenants(folder, tenants);
    closers.push(house.close);
    const servers = {} as Record<Kind, BenchServer>;
    for (const kind of kinds) {
      const server = await startBenchServer(kind, house.env);
      closers.push(server.stop);
      servers[kind] = server;
    }
    const load = (kind: Kind, forSeconds: number, warmingUp = false) =>
      measureLoad({
        url: servers[kind].url,
        tokensFile: house.tokensFile,
        seconds: forSeconds,
        connections,
        warmingUp,
      });
    // Sessions are opened and code is warm before anything counts.
    for (const kind of kinds) await load(kind, Math.max(3, tenants / 20), true);
    const perSecond = Object.fromEntries(kinds.map((kind) => [kind, [] as number[]])) as Record<Kind, number[]>;
    const cpuMicros = Object.fromEntries(kinds.map((kind) => [kind, [] as number[]])) as Record<Kind, number[]>;
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < kinds.length; at++) {
        const kind = kinds[(at + round) % kinds.length] as Kind; // nobody is always first
        const beforeMs = servers[kind].cpuMs();
        const rate = await load(kind, seconds);
        perSecond[kind].push(rate);
        const usedMs = (servers[kind].cpuMs() ?? 0) - (beforeMs ?? 0);
        cpuMicros[kind].push((usedMs * 1000) / (rate * seconds));
      }
    }
    report(perSecond, cpuMicros, { tenants, rounds, seconds, connections });
  } finally {
    for (const close of closers.reverse()) await close();
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

function report(
  perSecond: Record<Kind, number[]>,
  cpuMicros: Record<Kind, number[]>,
  settings: Record<string, number>,
): void {
  console.log(
    `\n${Object.entries(settings)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')}; requests per second in each round`,
  );
  console.table(Object.fromEntries(kinds.map((kind) => [kind, perSecond[kind].map(Math.round)])));
  console.log('Processor time of the server process for each request, in µs, in each round');
  console.table(Object.fromEntries(kinds.map((kind) => [kind, cpuMicros[kind].map(Math.round)])));
  const pairs: [Kind, Kind, string][] = [
    ['routed', 'fixed', '≥ 0.85'],
    ['uncached', 'fixed', ''],
    ['uncached', 'routed', ''],
    ['fixed', 'floor', ''],
    ['routed', 'floor', ''],
  ];
  const rows = pairs.map(([a, b, target]) => {
    const ratios = perSecond[a].map((value, round) => value / (perSecond[b][round] as number)).sort((x, y) => x - y);
    const [min, median, max] = [ratios[0], ratios[Math.floor(ratios.length / 2)], ratios.at(-1)].map((ratio) =>
      (ratio ?? 0).toFixed(2),
    );
    return { ratio: `${a} / ${b}`, min, median, max, target };
  });
  console.table(rows);
}
