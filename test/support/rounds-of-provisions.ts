// Owns rounds of twenty provisions through two control-plane processes while something around them dies, and the proof that
// everything converges within a minute: each tenant once, each with one database, fsck clean.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Client } from '../../control-plane/client.ts';
import { createTenantStubbornly, seededRandom } from './create-tenants.ts';
import { openProcessHouse, type ProcessHouse, registerClusters } from './process-house.ts';
import type { ServerProcess } from './processes.ts';
import { superuserSql } from './superuser-sql.ts';
import { waitUntil } from './wait-until.ts';

const tenantsPerRound = 20;
const convergeMaxMs = 60_000;
const seed = Number(process.env.TEST_SEED ?? 20261122);

export type Provisioning = {
  house: ProcessHouse;
  servers: ServerProcess[];
  clients(): Client[];
  random: () => number;
};

export async function openProvisioning(queueUrl?: string): Promise<Provisioning> {
  // Servers of tests lose their last commits in a crash; here what was acknowledged must be there.
  const parameters = { synchronous_commit: 'on' };
  const house = await openProcessHouse({ regions: ['eu'], parameters, ...(queueUrl !== undefined && { queueUrl }) });
  const servers = [await house.startControlPlane(), await house.startControlPlane()];
  const clients = () => servers.map((server) => house.client(server));
  await registerClusters(house, clients()[0] as Client, { warm_min: 2, warm_max: 4 });
  return { house, servers, clients, random: seededRandom(seed) };
}

/** Twenty tenants while `break_` is done to the setting; then all of it is as it should be. */
export async function roundOfProvisions(
  setting: Provisioning,
  name: string,
  breakIt: () => Promise<void>,
): Promise<void> {
  const { house, clients } = setting;
  const slugs = Array.from({ length: tenantsPerRound }, (_, i) => `${name}-${i}`);
  const creating = Promise.all(slugs.map((slug) => createTenantStubbornly(clients, { slug, region: 'eu' })));
  creating.catch(() => {}); // told below
  await breakIt();
  const brokenAtMs = performance.now();
  const ids = await creating;
  expect(new Set(ids).size).toBe(tenantsPerRound);
  await converged(setting);
  const tookMs = performance.now() - brokenAtMs;
  console.log(`${name}: ${tenantsPerRound} tenants settled ${Math.round(tookMs)} ms after the fault (seed ${seed})`);
  expect(tookMs).toBeLessThan(convergeMaxMs);
  const states = await house.inCatalog<{ slug: string; state: string; databases: number }>(
    `select t.slug, t.state, count(d.id)::int as databases from tenants t left join databases d on d.tenant_id = t.id
     where t.slug like $1 group by t.id order by t.id`,
    [`${name}-%`],
  );
  expect(states).toHaveLength(tenantsPerRound);
  for (const { state, databases } of states) expect([state, databases]).toEqual(['active', 1]);
}

export async function converged({ house, clients }: Provisioning): Promise<void> {
  const settled = async () => {
    const unfinished = await house.inCatalog(`select from operations where state in ('pending', 'running', 'undoing')`);
    return unfinished.length === 0;
  };
  await waitUntil(settled, { what: 'the end of every operation', timeoutMs: convergeMaxMs, intervalMs: 100 });
  // The reconcilers go on building; what is under way is no finding, and fsck looks twice.
  const report = await (clients()[0] as Client).fsck();
  expect(report.findings).toEqual([]);
  const [{ server }] = house.tenantServers as [ProcessHouse['tenantServers'][number]];
  const databases = await superuserSql<{ datname: string }>(
    server.address,
    `select datname from pg_database where datname like 't\\_%'`,
  );
  const rows = await house.inCatalog(`select from databases where state <> 'dropped'`);
  expect(Math.abs(databases.length - rows.length)).toBeLessThanOrEqual(report.in_progress.length);
}

/** SIGKILL for one of the two at a random moment of the work, then another in its place. */
export async function killOne({ house, servers, random }: Provisioning): Promise<void> {
  await sleep(20 + random() * 600); // a moment is what is tried here: the seed names it
  const victim = random() < 0.5 ? 0 : 1;
  await servers[victim]?.kill();
  servers[victim] = await house.startControlPlane();
}
