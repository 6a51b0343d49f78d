// `npm run bench -- footprint [--routes 10000] [--sessions 200]`: what a runtime keeps for each tenant it knows and for each session
// it holds, in bytes of memory of the process, and what the way from a token to its tenant costs. Routes are those of a real
// installation, copied with other ids as if each had come from the catalog by itself; sessions are real ones that have worked.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import v8 from 'node:v8';
import vm from 'node:vm';
import { newId, type TenantId } from '../../catalog/ids.ts';
import { openCatalog } from '../../catalog/open-catalog.ts';
import { findRoutes, listVerificationKeys, type RouteRow } from '../../catalog/routes.ts';
import { systemClock } from '../../platform/clock.ts';
import { createLog } from '../../platform/log.ts';
import { parseAddress } from '../../platform/postgres/address.ts';
import { openSession, type Session } from '../../platform/postgres/session.ts';
import { createVerifiedTokenCache } from '../../platform/verified-token-cache.ts';
import { createTenantResolver, type TenantResolver } from '../../tenant-runtime/resolve-tenant.ts';
import { createRouteCache } from '../../tenant-runtime/route-cache.ts';
import { createVerificationKeys } from '../../tenant-runtime/verification-keys.ts';
import { type BenchHouse, setUpTenants } from './route/set-up.ts';

const tenants = 20;
const log = createLog({ name: 'bench', level: 'silent' });

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { routes: { type: 'string', default: '10000' }, sessions: { type: 'string', default: '200' } },
  });
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-bench-'));
  fs.chmodSync(folder, 0o711);
  const closers: (() => Promise<void>)[] = [];
  try {
    const house = await setUpTenants(folder, tenants);
    closers.push(house.close);
    const catalog = openCatalog({
      address: parseAddress(house.env.FREEHOLD_RUNTIME_CATALOG_URL as string),
      sessionsMax: 2,
      applicationName: 'bench-catalog',
      log,
    });
    closers.push(() => catalog.close());
    const rows = await findRoutes(catalog.db, house.tenants);
    const views = await listVerificationKeys(catalog.db);
    const routes = emptyCache();
    const perRoute = await bytesEach(Number(values.routes), () => {
      const copies = Array.from({ length: Number(values.routes) }, (_, n) => copyOf(rows[n % rows.length] as RouteRow));
      routes.restore(copies, 0);
      return routes;
    });
    const perSession = await bytesOfSessions(Number(values.sessions), house);
    console.table({
      'a known tenant': { 'KiB each': (perRoute / 1024).toFixed(2), target: '≤ 2' },
      'an open session': { 'KiB each': (perSession / 1024).toFixed(1), target: '≤ 100' },
    });

    const tokens = fs.readFileSync(house.tokensFile, 'utf8').trim().split('\n');
    const known = emptyCache();
    known.restore(rows, 0);
    const verified = createVerifiedTokenCache({ maxEntries: 10_000, clock: systemClock });
    const resolverOf = async (cache: typeof verified): Promise<TenantResolver> => {
      const keys = createVerificationKeys({
        list: async () => views,
        issuers: undefined,
        tokens: cache,
        clock: systemClock,
        log,
      });
      await keys.refresh();
      const schema = { range: { min: null, max: null }, check: () => {} };
      return createTenantResolver({ keys, tokens: cache, routes: known, clock: systemClock, schema });
    };
    const none = createVerifiedTokenCache({ maxEntries: 0, clock: systemClock });
    const [cached, uncached] = [await resolverOf(verified), await resolverOf(none)];
    await microsEach(cached, tokens, 20_000); // warm code, and every token seen
    const rounds = [1, 2, 3, 4, 5];
    const told: Record<string, Record<string, string>> = {};
    for (const round of rounds) {
      told[`round ${round}`] = {
        'cached µs': (await microsEach(cached, tokens, 100_000)).toFixed(2),
        'signature checked µs': (await microsEach(uncached, tokens, 2_000)).toFixed(1),
      };
    }
    console.log('From the Authorization header to the tenant and its route (target ≤ 5 µs where the token is known)');
    console.table(told);
  } finally {
    for (const close of closers.reverse()) await close();
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

function emptyCache() {
  return createRouteCache({
    loader: { load: async () => undefined },
    fingerprints: async () => new Map(),
    routesMax: 1_000_000,
    ageMaxMs: 3_600_000,
    clock: systemClock,
    log,
    onReplaced: () => {},
  });
}

/** Through text, so that nothing is shared that would not be shared by rows of the catalog. */
function copyOf(row: RouteRow): RouteRow {
  const copy = JSON.parse(JSON.stringify(row)) as RouteRow;
  return { ...copy, tenant_id: newId('tenant') as TenantId, database_id: newId('database') };
}

async function bytesOfSessions(count: number, house: BenchHouse): Promise<number> {
  const sessions: Session[] = [];
  const each = await bytesEach(count, async () => {
    for (let n = 0; n < count; n++) {
      const session = await openSession(parseAddress(house.env.BENCH_FIXED_URL as string), {
        applicationName: 'bench',
      });
      for (let seen = 0; seen < 3; seen++)
        await session.queryRaw('select count(*) from customers where id = $1', ['7']);
      sessions.push(session);
    }
    return sessions;
  });
  await Promise.all(sessions.map((session) => session.close()));
  return each;
}

/** Memory that is held after a full collection, of the heap and outside of it. */
async function bytesEach(count: number, make: () => unknown): Promise<number> {
  const before = await bytesHeld();
  const kept = await make();
  const after = await bytesHeld();
  if (kept === undefined) throw new Error('nothing was made');
  return (after - before) / count;
}

async function bytesHeld(): Promise<number> {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as () => void;
  for (let n = 0; n < 3; n++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function microsEach(resolver: TenantResolver, tokens: readonly string[], count: number): Promise<number> {
  const headers = tokens.map((token) => `Bearer ${token}`);
  const startedMs = performance.now();
  for (let n = 0; n < count; n++) await resolver.resolve(headers[n % headers.length]);
  return ((performance.now() - startedMs) * 1_000) / count;
}
