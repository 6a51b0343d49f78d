// A rollout by two real control planes while they are killed, stopped and continued: it ends the same, each file once in every
// database, and fsck has nothing to say. The full form: TEST_FLEET_DATABASES=300 TEST_FLEET_SEEDS=10 (TEST_SEED=n) with `npx vitest run` on this file.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ApiProblem, type Client } from '../../control-plane/client.ts';
import { createTenantStubbornly, seededRandom } from '../support/create-tenants.ts';
import { openProcessHouse, type ProcessHouse, registerClusters } from '../support/process-house.ts';
import { root, type ServerProcess } from '../support/processes.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

const databases = Number(process.env.TEST_FLEET_DATABASES ?? 24);
const seeds = Array.from(
  { length: Number(process.env.TEST_FLEET_SEEDS ?? 1) },
  (_, i) => Number(process.env.TEST_SEED ?? 20261125) + i,
);
const endMaxMs = 120_000 + databases * 500;

let house: ProcessHouse;
let servers: ServerProcess[];
const clients = (): Client[] => servers.map((server) => house.client(server));
const files = readdirSync(path.join(root, 'migrations/tenant'))
  .filter((name) => /^\d.*\.sql$/.test(name))
  .map((name) => ({ name, text: readFileSync(path.join(root, 'migrations/tenant', name), 'utf8') }));

beforeAll(async () => {
  // Servers of tests lose their last commits in a crash; here what was acknowledged must be there.
  house = await openProcessHouse({ regions: ['eu'], parameters: { synchronous_commit: 'on' } });
  servers = [await house.startControlPlane(), await house.startControlPlane()];
  await registerClusters(house, clients()[0] as Client, { warm_min: 0, warm_max: 2, capacity: 1_000 });
  const slugs = Array.from({ length: databases }, (_, i) => `fleet-${i}`);
  await Promise.all(slugs.map((slug) => createTenantStubbornly(clients, { slug, region: 'eu' }, 300_000)));
  await waitUntil(settled, { what: 'all tenants', timeoutMs: 300_000, intervalMs: 200 });
}, 600_000);
afterAll(() => house.close());

test.each(seeds)(
  'M03 M06 M08 M09 M17 P02 killed, paused, stopped and continued: every file once everywhere (seed %i)',
  async (seed) => {
    const random = seededRandom(seed);
    const rollout = await begin(seed);
    const born = createTenantStubbornly(clients, { slug: `born-${seed}`, region: 'eu' }, endMaxMs);
    born.catch(() => {}); // told below
    for (let kills = 0; kills < 2; kills++) {
      await sleep(50 + random() * 500); // a moment is what is tried here: the seed names it
      const victim = random() < 0.5 ? 0 : 1;
      await servers[victim]?.kill();
      servers[victim] = await house.startControlPlane();
    }
    await pauseAndResume(rollout, random);
    const stopped = servers[random() < 0.5 ? 0 : 1] as ServerProcess;
    stopped.signal('SIGSTOP');
    const before = await endOf(rollout).finally(() => stopped.signal('SIGCONT'));
    await born;
    await waitUntil(settled, { what: 'every operation and every database at the release', timeoutMs: 60_000 });
    await everyFileOnce(seed);
    expect((await membersOf(rollout)).filter((member) => before.some((it) => it.id === member.id))).toEqual(before);
    expect((await (clients()[0] as Client).fsck()).findings).toEqual([]);
  },
  endMaxMs + 240_000,
);

/** A file that counts how often it ran, long enough that somebody dies in it. */
async function begin(seed: number): Promise<string> {
  files.push({
    name: `2026120100000${String(files.length).padStart(4, '0')}_counted.sql`,
    // Run twice, it would not fail but count twice.
    text: `-- Up Migration\ncreate table if not exists counted (seed integer not null);\ninsert into counted values (${seed});\nselect pg_sleep(0.15);\n-- Down Migration\ndrop table counted;\n`,
  });
  const client = clients()[0] as Client;
  const release = await client.releases.create({ lane: 'tenant', files });
  const policy = { budget: { failures: '10%' } };
  return (await client.rollouts.create({ kind: 'migrate', lane: 'tenant', release: release.id, policy })).id;
}

async function pauseAndResume(id: string, random: () => number): Promise<void> {
  try {
    await (clients()[0] as Client).rollouts.pause(id);
    const second = (clients()[1] as Client).rollouts.create({ kind: 'migrate', lane: 'tenant', release: 'latest' });
    await expect(second).rejects.toMatchObject({ code: 'rollout_in_progress' });
    await sleep(random() * 300);
    await (clients()[1] as Client).rollouts.resume(id);
  } catch (error) {
    // It was through before anybody could pause it.
    if (!(error instanceof ApiProblem) || error.code !== 'rollout_not_in_state') throw error;
  }
}

/** @returns its finished members */
async function endOf(id: string) {
  const ended = async () => (await standOf(id)).state !== 'running';
  const waited = waitUntil(ended, { what: 'the end of the rollout', timeoutMs: endMaxMs, intervalMs: 200 });
  await waited.catch(async (error: unknown) => {
    throw new Error(`it still runs: ${JSON.stringify(await standOf(id))}`, { cause: error });
  });
  expect(await standOf(id)).toMatchObject({ state: 'succeeded' });
  return membersOf(id);
}

/** All that is needed to say why it has not ended, or not well. */
async function standOf(id: string) {
  const [rollout] = await house.inCatalog<{ state: string; verdict: unknown }>(
    'select state, verdict from rollouts where id = $1',
    [id],
  );
  const members = await house.inCatalog(
    `select state, wave, error ->> 'code' as code, error ->> 'message' as message, lease_holder,
       max(attempts) as attempts, max(next_attempt_at) as next_attempt_at, max(lease_until) as lease_until, count(*)::int as count
     from rollout_members where rollout_id = $1 group by 1, 2, 3, 4, 5`,
    [id],
  );
  return { ...rollout, members };
}

function membersOf(id: string) {
  return house.inCatalog<{ id: string; state: string; fence: number }>(
    `select database_id as id, state, fence from rollout_members where rollout_id = $1 and state in ('done', 'noop') order by 1`,
    [id],
  );
}

async function settled(): Promise<boolean> {
  const open = await house.inCatalog(`select from operations where state in ('pending', 'running', 'undoing')`);
  const behind = await house.inCatalog(
    `select from databases d, lane_heads h join releases r on r.id = h.release_id
     where h.lane = 'tenant' and d.state in ('warm', 'claimed') and d.lanes -> 'tenant' ->> 'hash' <> r.hash`,
  );
  return open.length + behind.length === 0;
}

async function everyFileOnce(seed: number): Promise<void> {
  const address = house.tenantServers[0]?.server.address as ProcessHouse['catalog'];
  const rows = await house.inCatalog<{ name: string }>(`select name from databases where state in ('warm', 'claimed')`);
  expect(rows.length).toBeGreaterThan(databases);
  for (const { name } of rows) {
    const found = await superuserSql<{ booked: number; known: number; ran: number }>(
      { ...address, database: name },
      `select (select count(*)::int from freehold.ledger where lane = 'tenant') as booked,
        (select count(*)::int from public.pgmigrations) as known, (select count(*)::int from counted where seed = ${seed}) as ran`,
    );
    expect(found, name).toEqual([{ booked: files.length, known: files.length, ran: 1 }]);
  }
}
