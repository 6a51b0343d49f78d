// N05, R16, as long as is asked for: random requests of many tenants over two runtimes while sessions are evicted and killed, keys
// are rotated, logins change, routes move on and tenants are suspended. No foreign row, no fault but those of the kills, and the
// processes hold no more at the end than after the warm-up.
//   SOAK_REQUESTS (1,000,000)  SOAK_TENANTS (200)
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Client } from '../../control-plane/client.ts';
import { askCanary, type CanaryTenant, createCanaryTenants, minted } from '../support/canary-fleet.ts';
import { openProcessHouse, type ProcessHouse, registerClusters } from '../support/process-house.ts';
import type { ServerProcess } from '../support/processes.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { type VitalSigns, vitalSignsOf } from '../support/vital-signs.ts';

const requests = Number(process.env.SOAK_REQUESTS ?? 1_000_000);
const count = Number(process.env.SOAK_TENANTS ?? 200);
const clientsAtOnce = 32;
/** Of a token that lives fifteen minutes. */
const renewAfterMs = 600_000;

let house: ProcessHouse;
let client: Client;
let runtimes: ServerProcess[];
let tenants: CanaryTenant[];

beforeAll(async () => {
  house = await openProcessHouse({ parameters: { max_connections: '200' } });
  const plane = await house.startControlPlane();
  client = house.client(plane);
  await registerClusters(house, client, { capacity: count, warm_min: 0, warm_max: 1, connection_budget: 170 });
  const env = { FREEHOLD_RUNTIME_SESSIONS_PER_CLUSTER_MAX: '80', FREEHOLD_RUNTIME_SESSION_WAIT_MS: '20000' };
  runtimes = await Promise.all([house.startRuntime(env), house.startRuntime(env)]);
  tenants = await createCanaryTenants(house, client, count, ['eu', 'us']);
});
afterAll(() => house.close());

const signsOfAll = (): VitalSigns => {
  const sum = { rssMib: 0, files: 0, sockets: 0 };
  for (const signs of runtimes.map(({ pid }) => vitalSignsOf(pid))) {
    sum.rssMib += signs.rssMib;
    sum.files += signs.files;
    sum.sockets += signs.sockets;
  }
  return sum;
};
/** The first ones more often, as in life; fewer sessions than tenants, so that the others push each other out. */
const often = <T>(list: readonly T[]): T => list[Math.floor(list.length * Math.random() ** 3)] as T;
const any = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;

test(`N05 R16 ${requests} requests of ${count} tenants under faults: no foreign row, nothing grows`, async () => {
  let left = requests;
  const statuses = new Map<number, number>();
  const foreign: string[] = [];
  const away = new Set<string>();
  let after = { rssMib: 0, files: 0, sockets: 0 };
  const ask = async () => {
    while (left > 0 && foreign.length === 0) {
      const turn = left--;
      const tenant = often(tenants);
      if (performance.now() - tenant.mintedAtMs > renewAfterMs && !away.has(tenant.id))
        Object.assign(tenant, await minted(client, tenant.id));
      const answer = await askCanary(any(runtimes).url, tenant, turn % 5 === 0);
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (answer.kind === 'foreign') foreign.push(`${tenant.id}: ${answer.status} ${answer.text}`);
      if (turn % Math.ceil(requests / 20) === 0) tell();
    }
  };
  const tell = () => {
    const sum = signsOfAll();
    // A quarter of the way is warm-up: every route, plan and session has been met.
    if (after.rssMib === 0 && left < requests * 0.75) after = sum;
    const held = `${sum.rssMib} MiB, ${sum.files} files, ${sum.sockets} sockets`;
    console.log(
      `${requests - left} asked: ${held}; ${[...statuses].map(([status, n]) => `${n} × ${status}`).join(', ')}`,
    );
  };
  const faults = (async () => {
    while (left > 0 && foreign.length === 0) await any(allFaults)(any(tenants), away);
  })();
  await Promise.all(Array.from({ length: clientsAtOnce }, ask));
  await faults;
  tell();
  expect(foreign).toEqual([]);
  const served = statuses.get(200) ?? 0;
  expect(served).toBeGreaterThan(requests * 0.9);
  // 401 and 403: suspended, or back with an older token. 503: its session was killed, or its route was moving.
  expect([...statuses.keys()].filter((status) => ![0, 200, 401, 403, 409, 429, 503].includes(status))).toEqual([]);
  const last = signsOfAll();
  expect(last.rssMib).toBeLessThan(after.rssMib * 1.3 + 30);
  expect(last.sockets).toBeLessThan(after.sockets * 1.5 + 50);
});

type Fault = (tenant: CanaryTenant, away: Set<string>) => Promise<void>;

const inCatalog = (text: string, params: unknown[]) => house.inCatalog(text, params);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const killSessions: Fault = async ({ address }) => {
  await superuserSql(
    { ...address, database: 'postgres' },
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1',
    [address.database],
  );
  await pause(20);
};

const moveRoute: Fault = async ({ id }) => {
  await inCatalog('update tenants set generation = generation + 1 where id = $1', [id]);
  await pause(5);
};

/** The other one of the two application logins. */
const rotateLogin: Fault = async ({ id }) => {
  await inCatalog(
    `with flipped as (update databases set active_login = case active_login when 'app_a' then 'app_b' else 'app_a' end
       where tenant_id = $1 and state = 'claimed')
     update tenants set generation = generation + 1 where id = $1`,
    [id],
  );
  await pause(20);
};

const rotateKeys: Fault = async () => {
  await client.signingKeys.rotate();
  await pause(500);
};

const suspend: Fault = async (tenant, away) => {
  if (away.has(tenant.id)) return;
  away.add(tenant.id);
  await client.tenants.suspend(tenant.id, { waitSec: 60 });
  await client.tenants.resume(tenant.id, { waitSec: 60 });
  Object.assign(tenant, await minted(client, tenant.id));
  away.delete(tenant.id);
};

// As often as it stands here.
const allFaults: readonly Fault[] = [
  killSessions,
  killSessions,
  moveRoute,
  moveRoute,
  rotateLogin,
  rotateLogin,
  suspend,
  rotateKeys,
];
