// `npm run bench -- pooler [--tenants 50] [--rounds 3] [--seconds 4] [--connections 16]`: what a PgBouncer between runtime and cluster
// costs. Two runtimes of one installation, one going to the server and one by PgBouncer in transaction mode, are put under the
// same load in turn; only ratios of one round are compared.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import { openSession } from '../../platform/postgres/session.ts';
import { startBenchPgbouncer } from './pooler/pgbouncer.ts';
import { measureLoad } from './route/load.ts';
import { type BenchServer, startBenchServer } from './route/processes.ts';
import { setUpTenants } from './route/set-up.ts';
import { ask } from './tenants/ask.ts';

const kinds = ['direct', 'pooled'] as const;
type Kind = (typeof kinds)[number];

/** A runtime that was told its routes once and is not told again keeps the way that they name. */
const keepsRoutes = { FREEHOLD_RUNTIME_ROUTE_REFRESH_MS: '3600000', FREEHOLD_RUNTIME_ROUTE_AGE_MAX_MS: '86400000' };

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      tenants: { type: 'string', default: '50' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
      connections: { type: 'string', default: '16' },
    },
  });
  const [tenants, rounds, seconds, connections] = Object.values(values).map(Number) as [number, number, number, number];
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-bench-'));
  fs.chmodSync(folder, 0o711);
  const closers: (() => Promise<void>)[] = [];
  try {
    console.log(`Making ${tenants} tenants …`);
    const house = await setUpTenants(folder, tenants);
    closers.push(house.close);
    const pgbouncer = await startBenchPgbouncer(folder, house.server);
    closers.push(pgbouncer.stop);
    const servers = {} as Record<Kind, BenchServer>;
    const tokens = fs.readFileSync(house.tokensFile, 'utf8').trim().split('\n');
    for (const kind of kinds) {
      await setPooler(house.server, kind === 'pooled' ? pgbouncer.url : null);
      servers[kind] = await startBenchServer('routed', { ...house.env, ...keepsRoutes });
      closers.push(servers[kind].stop);
      for (const token of tokens) {
        const { status } = await ask(servers[kind].url, token, 'select 1');
        if (status !== 200) throw new Error(`${kind}: ${status}`);
      }
    }
    const load = (kind: Kind, forSeconds: number, warmingUp = false) => {
      const { tokensFile } = house;
      const asked = {
        url: servers[kind].url,
        tokensFile,
        seconds: forSeconds,
        connections,
        warmingUp,
        spread: 'evenly' as const,
      };
      return measureLoad(asked);
    };
    for (const kind of kinds) await load(kind, 3, true);
    const perSecond: Record<Kind, number[]> = { direct: [], pooled: [] };
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < kinds.length; at++) {
        const kind = kinds[(at + round) % kinds.length] as Kind; // nobody is always first
        perSecond[kind].push(await load(kind, seconds));
      }
    }
    console.log(
      `\ntenants ${tenants}, connections ${connections}, seconds ${seconds}; requests per second in each round`,
    );
    console.table(Object.fromEntries(kinds.map((kind) => [kind, perSecond[kind].map(Math.round)])));
    const ratios = perSecond.pooled.map((value, n) => value / (perSecond.direct[n] as number)).sort((a, b) => a - b);
    const [min, median, max] = [ratios[0], ratios[Math.floor(ratios.length / 2)], ratios.at(-1)].map((ratio) =>
      (ratio ?? 0).toFixed(2),
    );
    console.table([{ ratio: 'pooled / direct', min, median, max }]);
  } finally {
    for (const close of closers.reverse()) await close();
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

async function setPooler(server: PostgresAddress, url: string | null): Promise<void> {
  const session = await openSession({ ...server, database: 'freehold_catalog' }, { applicationName: 'bench' });
  await session.query('update clusters set pooler_url = $1', [url]);
  await session.close();
}
