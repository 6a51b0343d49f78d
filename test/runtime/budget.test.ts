// The connection budget of a cluster over several processes: counted on the server all the time, whatever they do or suffer.
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectionShares } from '../../control-plane/reconcilers/connection-shares.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { type ServerProcess, startRuntimeProcess, untilReady } from '../support/processes.ts';
import { call, createRuntimeFixture, type RuntimeFixture, type TestTenant } from '../support/runtime.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

const budget = 24;
const tenantCount = 14;
const leaseMs = 3 * 1_000;

let fixture: RuntimeFixture;
const tenants: TestTenant[] = [];
const started: ServerProcess[] = [];
const tokens = new Map<TestTenant, string>();
let counter: pg.Client;
const seen = { most: 0, counts: 0 };
let counting = true;
let counted: Promise<void>;

beforeAll(async () => {
  fixture = await createRuntimeFixture();
  const [cluster, other] = fixture.house.clusters;
  // All on one cluster; the control plane's own sessions are part of its budget.
  await fixture.house.catalog.db
    .updateTable('clusters')
    .set({ state: 'draining' })
    .where('id', '=', other.id)
    .execute();
  await fixture.house.catalog.db
    .updateTable('clusters')
    .set({ connection_budget: budget })
    .where('id', '=', cluster.id)
    .execute();
  for (let n = 0; n < tenantCount; n++) {
    const tenant = await fixture.addTenant();
    tenants.push(tenant);
    tokens.set(tenant, await fixture.token(tenant.id));
  }
  counter = new pg.Client({ ...cluster.server.address, application_name: 'test-counter' });
  await counter.connect();
  counted = count();
}, 120_000);
afterAll(async () => {
  // Also after a failure in the middle.
  await Promise.all(started.map((server) => server.kill()));
  counting = false;
  await counted;
  await counter.end();
  await fixture.close();
});

async function count(): Promise<void> {
  while (counting) {
    const { rows } = await counter.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where usename = 'freehold_provisioner' or usename ~ '^t_.*_(mig|app_a|app_b|ro)$'`,
    );
    seen.most = Math.max(seen.most, rows[0]?.n ?? 0);
    seen.counts++;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const env = (more: Record<string, string> = {}) => ({
  ...fixture.env,
  FREEHOLD_RUNTIME_HEARTBEAT_MS: String(leaseMs / 3),
  FREEHOLD_RUNTIME_SESSION_WAIT_MS: '30000',
  FREEHOLD_RUNTIME_ROUTE_REFRESH_MS: '500',
  FREEHOLD_RUNTIME_ROUTE_AGE_MAX_MS: '1000',
  FREEHOLD_LOG_LEVEL: 'silent',
  ...more,
});
async function start(more: Record<string, string> = {}): Promise<ServerProcess> {
  const { FREEHOLD_RUNTIME_PORT: _, ...rest } = env(more) as Record<string, string>;
  const server = await startRuntimeProcess(rest);
  started.push(server);
  await untilReady(server);
  return server;
}

/** Asks every tenant, all at once and again and again, until it is told to stop. */
function load(url: string, query = 'select pg_sleep(0.005)') {
  const statuses = new Map<number, number>();
  let going = true;
  const clients = tenants.flatMap((tenant) =>
    [1, 2].map(async () => {
      while (going) {
        const answer = await call(url, tokens.get(tenant), { body: { query } }).catch(() => undefined);
        const status = answer?.status ?? 0;
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    }),
  );
  return {
    statuses,
    served: () => statuses.get(200) ?? 0,
    stop: async () => {
      going = false;
      await Promise.all(clients);
    },
  };
}

const shares = () =>
  superuserSql<{ pid: number; granted: number; open: number; live: boolean }>(
    fixture.house.catalog.address,
    'select pid, granted, open, lease_until > now() as live from connection_shares order by taken_at',
  );
const sum = (rows: { granted: number }[]) => rows.reduce((all, row) => all + row.granted, 0);

test('R08 three runtimes that start together stay within the budget; shares follow demand; a dead one gives way, not before its lease', async () => {
  const runtimes = await Promise.all([start(), start(), start()]);
  const [first, second, third] = runtimes as [ServerProcess, ServerProcess, ServerProcess];
  const loads = runtimes.map(({ url }) => load(url));
  await waitUntil(() => loads.every((each) => each.served() > 100), { what: 'all three to serve', timeoutMs: 30_000 });
  expect(sum(await shares())).toBeLessThanOrEqual(budget);
  // Demand decides: with two of them idle the third may have most of it.
  await loads[1]?.stop();
  await loads[2]?.stop();
  const grantedTo = async (server: ServerProcess) =>
    (await shares()).find((row) => row.pid === server.pid)?.granted ?? 0;
  await waitUntil(async () => (await grantedTo(first)) > (await grantedTo(second)) + (await grantedTo(third)), {
    what: 'the busy one to have more than the others together',
    timeoutMs: 40_000,
  });

  const before = await grantedTo(first);
  const reconciler = connectionShares();
  const deps = { ...fixture.house.deps, clusters: fixture.house.connections.clusters, wakeAgain: async () => {} };
  await first.kill();
  const diedMs = performance.now();
  const again = load(second.url);
  await waitUntil(
    async () => {
      const { freed } = (await reconciler.run(deps)) as { freed: string[] };
      const rows = await shares();
      expect(sum(rows)).toBeLessThanOrEqual(budget);
      return freed.length > 0 && rows.every((row) => row.pid !== first.pid);
    },
    { what: 'the share of the dead one to be freed', timeoutMs: 30_000, intervalMs: 100 },
  );
  expect(performance.now() - diedMs).toBeGreaterThan(leaseMs);
  await waitUntil(async () => (await grantedTo(second)) > before / 2, {
    what: 'a living one to grow into it',
    timeoutMs: 20_000,
  });
  await again.stop();
  await loads[0]?.stop();
  expect([...(again.statuses.keys() as Iterable<number>)]).toEqual([200]);
  expect((await second.stop()).code).toBe(0);
  expect((await third.stop()).code).toBe(0);
  // Those that end in order give everything back at once.
  expect((await shares()).map((row) => row.pid)).toEqual([process.pid]);
  expect(seen.most).toBeLessThanOrEqual(budget);
  console.log(`at most ${seen.most} sessions of a budget of ${budget}, counted ${seen.counts} times`);
}, 180_000);

test('R08 a runtime that is cut off from the catalog keeps its share and may not grow, and nobody gets it meanwhile', async () => {
  const proxy = await startFaultProxy(fixture.house.catalog.address);
  const catalogUrl = new URL(fixture.env.FREEHOLD_RUNTIME_CATALOG_URL as string);
  catalogUrl.port = String(proxy.port);
  const cut = await start({ FREEHOLD_RUNTIME_CATALOG_URL: catalogUrl.href });
  const whole = await start();
  const onCut = load(cut.url);
  await waitUntil(() => onCut.served() > 100, { what: 'the one to serve', timeoutMs: 30_000 });
  const shareOf = async (server: ServerProcess) => (await shares()).find((row) => row.pid === server.pid);
  const had = (await shareOf(cut))?.granted as number;

  proxy.refuse();
  proxy.cut();
  const onWhole = load(whole.url);
  const reconciler = connectionShares();
  const deps = { ...fixture.house.deps, clusters: fixture.house.connections.clusters, wakeAgain: async () => {} };
  await waitUntil(async () => (await shareOf(cut))?.live === false, {
    what: 'its lease to be over',
    timeoutMs: 20_000,
  });
  const servedThen = onCut.served();
  const sinceMs = performance.now();
  while (performance.now() - sinceMs < leaseMs * 1.5) {
    expect((await reconciler.run(deps)).freed).toEqual([]);
    expect((await shareOf(cut))?.granted).toBeGreaterThanOrEqual(had);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  expect(onCut.served()).toBeGreaterThan(servedThen + 100);
  const page = await (await fetch(cut.metricsUrl)).text();
  expect(page).toContain('\nfreehold_runtime_shares_unconfirmed 1\n');
  const grown = Number(/freehold_runtime_share_sessions\{[^}]*\} (\d+)/.exec(page)?.[1]);
  expect(grown).toBeLessThanOrEqual((await shareOf(cut))?.granted as number);

  proxy.heal();
  await waitUntil(async () => (await shareOf(cut))?.live, { what: 'its reports to be heard again', timeoutMs: 20_000 });
  await onCut.stop();
  await onWhole.stop();
  expect([...onCut.statuses.keys()]).toEqual([200]);
  expect([...onWhole.statuses.keys()]).toEqual([200]);
  await Promise.all([cut.stop(), whole.stop()]);
  await proxy.close();
  expect(seen.most).toBeLessThanOrEqual(budget);
}, 120_000);
