// N05, J12, as long as is asked for: random requests of many tenants at every door of two runtimes, while tenants push each other's
// sessions out, sessions and runtimes are killed, keys and logins are rotated, routes move and lie, and tenants are suspended.
// Promises: no row and no id of another tenant in any answer, no token that works after its revocation, no unexpected status.
//   SOAK_REQUESTS (1,000,000; only those that were answered count)  SOAK_TENANTS (200)
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Client } from '../../control-plane/client.ts';
import { type FaultField, type FaultName, faults } from '../support/canary-faults.ts';
import { askCanary, type CanaryTenant, canaryDoors, createCanaryTenants, minted } from '../support/canary-fleet.ts';
import { type LiveRuntimes, startLiveRuntimes } from '../support/live-runtimes.ts';
import { openProcessHouse, type ProcessHouse, registerClusters } from '../support/process-house.ts';

const requests = Number(process.env.SOAK_REQUESTS ?? 1_000_000);
const count = Number(process.env.SOAK_TENANTS ?? 200);
const clientsAtOnce = 16;
/** Of a token that lives fifteen minutes. */
const renewAfterMs = 600_000;
const tellEveryMs = 30_000;
/** One with a token that was revoked, in so many. */
const revokedEach = 100;

/** One after so many answers. */
const faultEach: Record<FaultName, number> = {
  'route moved': 150,
  'sessions killed': 400,
  'login rotated': 500,
  'routes exchanged': 1_500,
  'tenant suspended and resumed': 2_000,
  'signing keys rotated': 10_000,
  'runtime killed': 20_000,
};

let house: ProcessHouse;
let client: Client;
let runtimes: LiveRuntimes;
let tenants: CanaryTenant[];

beforeAll(async () => {
  house = await openProcessHouse({ parameters: { max_connections: '340' } });
  const plane = await house.startControlPlane();
  client = house.client(plane);
  await registerClusters(house, client, { capacity: count, warm_min: 0, warm_max: 1, connection_budget: 300 });
  // Fewer sessions than the tenants of a cluster want, so that they push each other out all the time; how many more than that are
  // opened decides how long this takes, since a login costs the server as much as fifty requests.
  const sessionsMax = String(Math.max(4, Math.ceil(count * 0.45)));
  runtimes = await startLiveRuntimes(house, 2, {
    FREEHOLD_RUNTIME_SESSIONS_PER_CLUSTER_MAX: sessionsMax,
    FREEHOLD_RUNTIME_SESSION_WAIT_MS: '20000',
  });
  const team = await client.plans.get('team');
  await client.plans.update('team', { limits: { ...team.limits, runtime_sessions_max: 2 } }, team);
  tenants = await createCanaryTenants(house, client, count, ['eu', 'us']);
});
afterAll(() => house.close());

const any = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;
/** The first ones more often, as in life. */
const often = <T>(list: readonly T[]): T => list[Math.floor(list.length * Math.random() ** 3)] as T;

test(`N05 J12 ${requests} requests of ${count} tenants at every door, under faults: no foreign row, no revoked token served`, async () => {
  const seen = {
    answered: 0,
    unanswered: 0,
    own: 0,
    withRevoked: 0,
    statuses: new Map<string, number>(),
    faults: new Map<FaultName, number>(),
  };
  const wrong: string[] = [];
  const field: FaultField = { house, client, runtimes, tenants, away: new Set(), revoked: [] };
  const goOn = () => seen.answered < requests && wrong.length === 0;

  const ask = async () => {
    while (goOn()) {
      const tenant = often(tenants);
      if (performance.now() - tenant.mintedAtMs > renewAfterMs && !field.away.has(tenant.id))
        Object.assign(tenant, await minted(client, tenant.id));
      const door = any(canaryDoors);
      const revoked = Math.random() * revokedEach < 1 ? any(field.revoked) : undefined;
      const { kind, status, text } = await askCanary(runtimes.any().url, revoked ?? tenant, door);
      if (kind === 'none') {
        seen.unanswered++;
        continue;
      }
      seen.answered++;
      if (kind === 'own') seen.own++;
      if (revoked !== undefined) seen.withRevoked++;
      const of = `${door} of ${tenant.id}: ${status} ${text}`;
      if (kind === 'foreign') wrong.push(`foreign: ${of}`);
      if (kind === 'own' && revoked !== undefined) wrong.push(`served with a revoked token: ${of}`);
      const expected = expectedStatuses.has(status);
      if (!expected) wrong.push(`unexpected: ${of}`);
      seen.statuses.set(String(status), (seen.statuses.get(String(status)) ?? 0) + 1);
    }
  };
  const harm = async () => {
    for (const [name, each] of Object.entries(faultEach) as [FaultName, number][])
      for (let due = Math.floor(seen.answered / each) - (seen.faults.get(name) ?? 0); due > 0 && goOn(); due--) {
        await faults[name](field, any(tenants));
        seen.faults.set(name, (seen.faults.get(name) ?? 0) + 1);
      }
    await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const harming = (async () => {
    while (goOn()) await harm();
  })();
  const progress = tellProgress(seen);
  await Promise.all(Array.from({ length: clientsAtOnce }, ask)).finally(() => progress.end());
  await harming;
  await progress.tell();
  const opened = await runtimes.metric('freehold_runtime_session_events_total{event="opened"}');
  const refused = await runtimes.metric('freehold_runtime_session_events_total{event="identity-mismatch"}');
  console.log(`sessions opened: ${opened}; databases refused because they were not the tenant's: ${refused}`);
  expect(wrong).toEqual([]);
  expect(seen.own).toBeGreaterThan(requests * 0.9);
});

/** 401 and 403: suspended, or a token from before. 503: its session was killed, or its route was moving or lying. */
const expectedStatuses = new Set([200, 401, 403, 429, 503]);

type Seen = { answered: number; unanswered: number; statuses: Map<string, number>; faults: Map<FaultName, number> };

function tellProgress(seen: Seen) {
  const startedMs = performance.now();
  let last = { answered: 0, ms: startedMs };
  const tell = async () => {
    const nowMs = performance.now();
    const perSecond = (seen.answered - last.answered) / ((nowMs - last.ms) / 1000);
    last = { answered: seen.answered, ms: nowMs };
    const { rssMib, heapMib, sockets } = await runtimes.look();
    const left = Math.round((requests - seen.answered) / Math.max(1, perSecond) / 60);
    const told = (counts: Map<string, number>) => [...counts].map(([name, n]) => `${n} × ${name}`).join(', ');
    console.log(
      `${Math.round((nowMs - startedMs) / 1000)} s: ${seen.answered} answered (${told(seen.statuses)}), ${seen.unanswered} not; ` +
        `${Math.round(perSecond)}/s, ${left} min to go; ${told(seen.faults)}; heap ${heapMib.toFixed(0)} MiB, rss ${rssMib} MiB, ${sockets} sockets`,
    );
  };
  const timer = setInterval(() => void tell().catch(() => {}), tellEveryMs); // a runtime may just be killed
  return { tell, end: () => clearInterval(timer) };
}
