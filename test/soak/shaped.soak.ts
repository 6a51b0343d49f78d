// R16: a day in ten minutes. Load follows the hour, tenants come and go, a runtime is deployed anew, keys and logins rotate, sessions
// are killed, a cluster restarts. One runtime and the control plane live through all of it, and each hour, with the load held and
// after a full collection, it is told what they hold. Promises that the evening holds no more than the morning at the same load.
//   SOAK_MINUTES (10)  SOAK_TENANTS (40)
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Client } from '../../control-plane/client.ts';
import { type FaultField, faults } from '../support/canary-faults.ts';
import {
  askCanary,
  type CanaryTenant,
  canaryDoors,
  createCanaryTenant,
  createCanaryTenants,
  minted,
} from '../support/canary-fleet.ts';
import { type InsideView, type Inspector, inspectable, inspectProcess } from '../support/inspect-process.ts';
import { type LiveRuntimes, startLiveRuntimes } from '../support/live-runtimes.ts';
import { openProcessHouse, type ProcessHouse, registerClusters } from '../support/process-house.ts';
import type { ServerProcess } from '../support/processes.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

const hourMs = (Number(process.env.SOAK_MINUTES ?? 10) * 60_000) / 24;
const count = Number(process.env.SOAK_TENANTS ?? 40);
const clientsMax = 12;
/** At three in the afternoon; six in the morning and midnight are then as far from it as noon and six in the evening. */
const peakHour = 15;
/** Of each of the two runtimes, on each of the two clusters. */
const sessionsMax = 12;
const renewAfterMs = 600_000;
/** As platform/postgres/prepare-policy.ts has it, and what the runtime prepares for itself. */
const preparedMax = 200 + 20;

let house: ProcessHouse;
let client: Client;
let plane: ServerProcess;
let veteran: ServerProcess;
let inside: Record<'runtime' | 'control plane', Inspector>;
let others: LiveRuntimes;
let tenants: CanaryTenant[];

beforeAll(async () => {
  house = await openProcessHouse({ parameters: { max_connections: '240' } });
  plane = await house.startControlPlane(inspectable);
  client = house.client(plane);
  await registerClusters(house, client, { capacity: count * 3, warm_min: 1, warm_max: 2, connection_budget: 200 });
  const env = {
    FREEHOLD_RUNTIME_SESSIONS_PER_CLUSTER_MAX: String(sessionsMax),
    FREEHOLD_RUNTIME_SESSION_WAIT_MS: '20000',
  };
  veteran = await house.startRuntime({ ...env, ...inspectable });
  others = await startLiveRuntimes(house, 1, env);
  inside = { runtime: await inspectProcess(veteran), 'control plane': await inspectProcess(plane) };
  tenants = await createCanaryTenants(house, client, count, ['eu', 'us']);
});
afterAll(() => house.close());

const any = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;

type Hour = {
  answered: number;
  prepared: number;
  /** Of all runtimes, as the servers see it. */
  sessions: number;
} & Record<keyof typeof inside, InsideView>;

test(`R16 24 hours of ${Math.round(hourMs / 1000)} s, ${count} tenants: handles, sockets, sessions, prepared statements and memory are flat`, async () => {
  const field: FaultField = { house, client, runtimes: others, tenants, away: new Set(), revoked: [] };
  const wrong: string[] = [];
  const hours: Hour[] = [];
  for (let hour = 0; hour < 24; hour++) {
    const answered = await loadOfHour(hour, field, wrong);
    expect(wrong).toEqual([]);
    hours.push({ answered, ...(await lookAround()) });
    console.log(line(hour, hours[hour] as Hour));
  }
  const [morning, evening] = [hours.slice(6, 12), hours.slice(18, 24)];
  for (const name of ['runtime', 'control plane'] as const) {
    const grown = (part: keyof InsideView) =>
      mean(evening.map((each) => each[name][part])) - mean(morning.map((each) => each[name][part]));
    const shown = (['heapMib', 'externalMib', 'rssMib', 'handles', 'files', 'sockets'] as const).map(
      (part) => `${part} ${mean(morning.map((each) => each[name][part])).toFixed(1)} ${signed(grown(part))}`,
    );
    console.log(`${name}, mean of the second quarter and what the last had more: ${shown.join(', ')}`);
    expect(grown('heapMib'), `${name}: heap`).toBeLessThan(8);
    expect(grown('externalMib'), `${name}: buffers`).toBeLessThan(8);
    expect(grown('rssMib'), `${name}: memory`).toBeLessThan(40);
    for (const part of ['handles', 'files', 'sockets'] as const)
      expect(grown(part), `${name}: ${part}`).toBeLessThan(10);
  }
  expect(Math.max(...hours.map(({ sessions }) => sessions))).toBeLessThanOrEqual(2 * 2 * sessionsMax);
  expect(Math.max(...hours.map(({ prepared }) => prepared))).toBeLessThanOrEqual(preparedMax);
  await nothingLeft();
});

/** Until the hour is over; its clients have ended when it resolves. Returns how many were answered. */
async function loadOfHour(hour: number, field: FaultField, wrong: string[]): Promise<number> {
  const until = performance.now() + hourMs;
  const share = 0.15 + 0.85 * (0.5 + 0.5 * Math.cos(((hour - peakHour) / 24) * 2 * Math.PI));
  let answered = 0;
  const ask = async () => {
    while (performance.now() < until && wrong.length === 0) {
      const tenant = any(tenants);
      if (performance.now() - tenant.mintedAtMs > renewAfterMs && !field.away.has(tenant.id))
        Object.assign(tenant, await minted(client, tenant.id));
      const url = Math.random() < 0.5 ? veteran.url : others.any().url;
      const { kind, status, text } = await askCanary(url, tenant, any(canaryDoors));
      if (kind === 'foreign') wrong.push(`${tenant.id}: ${status} ${text}`);
      if (kind !== 'none') answered++;
      if (Math.random() < 0.1) await askOnceMore(url, tenant);
    }
  };
  await Promise.all([...Array.from({ length: Math.ceil(share * clientsMax) }, ask), happenings(hour, field)]);
  return answered;
}

/** A text that nobody has sent before, twice, so that the session prepares it. */
async function askOnceMore(url: string, { token }: CanaryTenant): Promise<void> {
  const body = JSON.stringify({ query: `select tenant_uid, ${Math.random()} as n from canary`, params: [] });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  for (let time = 0; time < 2; time++)
    await fetch(`${url}/v1/sql`, { method: 'POST', headers, body }).then((answer) => answer.text(), String);
}

async function happenings(hour: number, field: FaultField): Promise<void> {
  const region = any(['eu', 'us']);
  tenants.push(await createCanaryTenant(house, client, `comes-${hour}`, region));
  const [leaves] = tenants.splice(Math.floor(Math.random() * (tenants.length - 1)), 1) as [CanaryTenant];
  await client.tenants.delete(leaves.id, { waitSec: 60 });
  await client.tenants.purge(leaves.id, { waitSec: 60 });
  await faults['tenant suspended and resumed'](field, any(tenants));
  for (const name of ['sessions killed', 'route moved', 'login rotated'] as const)
    await faults[name](field, any(tenants));
  if (hour % 4 === 2) await client.signingKeys.rotate();
  if (hour % 6 === 3) await others.deploy();
  if (hour % 8 === 5) await restart(any(house.tenantServers).server);
}

async function restart(server: ProcessHouse['tenantServers'][number]['server']): Promise<void> {
  await server.stop('fast');
  await server.start();
}

/** With nobody asking. */
async function lookAround(): Promise<Omit<Hour, 'answered'>> {
  const own = async (metric: string) => {
    const page = await (await fetch(veteran.metricsUrl)).text();
    return Number(new RegExp(`^${metric} (\\d+)`, 'm').exec(page)?.[1]);
  };
  await waitUntil(async () => (await own('freehold_runtime_sessions_leased')) === 0, {
    what: 'the runtime to be idle',
    timeoutMs: 60_000,
  });
  let prepared = 0;
  for (const tenant of tenants) {
    const body = JSON.stringify({ query: 'select count(*)::int as n from pg_prepared_statements', params: [] });
    const headers = { authorization: `Bearer ${tenant.token}`, 'content-type': 'application/json' };
    const answer = await fetch(`${veteran.url}/v1/sql`, { method: 'POST', headers, body });
    const { rows } = (await answer.json()) as { rows?: [{ n: number }] };
    prepared = Math.max(prepared, rows?.[0].n ?? 0);
  }
  const sessions = await Promise.all(
    house.tenantServers.map(async ({ server }) => {
      const [row] = await superuserSql<{ n: number }>(
        { ...server.address, database: 'postgres' },
        `select count(*)::int as n from pg_stat_activity where application_name like 'freehold-runtime%'`,
      );
      return row?.n ?? 0;
    }),
  );
  return {
    prepared,
    sessions: sessions.reduce((sum, each) => sum + each, 0),
    runtime: withoutSessions(await inside.runtime.look(), await own('freehold_runtime_sessions')),
    'control plane': await inside['control plane'].look(),
  };
}

/** How many sessions lie idle follows the load; what is held beside them must not. */
function withoutSessions(view: InsideView, sessions: number): InsideView {
  const { handles, files, sockets } = view;
  return { ...view, handles: handles - sessions, files: files - sessions, sockets: sockets - sessions };
}

/** What lived through the day ends well, leaves no session, and the books are in order. */
async function nothingLeft(): Promise<void> {
  const { findings } = await client.fsck();
  expect(findings.map(({ code, object }) => `${code}: ${object}`)).toEqual([]);
  inside.runtime.close();
  expect(await veteran.stop()).toEqual({ code: 0, signal: null });
}

function line(hour: number, { answered, prepared, sessions, runtime, 'control plane': control }: Hour): string {
  const held = ({ heapMib, externalMib, rssMib, handles, files, sockets }: InsideView) =>
    `heap ${heapMib.toFixed(1)} + ${externalMib.toFixed(1)} MiB, rss ${rssMib} MiB, ${handles} handles, ${files} files, ${sockets} sockets`;
  return `${String(hour).padStart(2, '0')} h: ${answered} answered, ${sessions} sessions in the servers, at most ${prepared} statements prepared in one; runtime ${held(runtime)}; control plane ${held(control)}`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(1)}`;
}
