// Owns a fleet under real control planes that are killed: one that only answers, one that only works, one that does both; and what
// must hold of every database, of the catalog and of a rollout's report whatever died when.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Client } from '../../control-plane/client.ts';
import { createTenantStubbornly, moveTenantStubbornly } from './create-tenants.ts';
import { openProcessHouse, type ProcessHouse, registerClusters } from './process-house.ts';
import { root, type ServerProcess } from './processes.ts';
import { superuserSql } from './superuser-sql.ts';
import { waitUntil } from './wait-until.ts';

export type KilledFleet = Awaited<ReturnType<typeof openKilledFleet>>;

const roles = ['api', 'worker,reconcilers', 'api,worker,reconcilers'] as const;
/** As many as a server has patience for. */
const atOnce = 6;

export async function openKilledFleet(databases: number) {
  // Servers of tests lose their last commits in a crash; here what was acknowledged must be there.
  const house = await openProcessHouse({ regions: ['eu'], parameters: { synchronous_commit: 'on' } });
  try {
    return await fill(house, databases);
  } catch (error) {
    await house.close();
    throw error;
  }
}

async function fill(house: ProcessHouse, databases: number) {
  const start = (role: number) => house.startControlPlane({ FREEHOLD_ROLES: roles[role] });
  const servers = await Promise.all(roles.map((_, role) => start(role)));
  const clients = (): Client[] => [servers[0], servers[2]].map((server) => house.client(server as ServerProcess));
  await registerClusters(house, clients()[0] as Client, { warm_min: 0, warm_max: 2, capacity: 1_000 });
  const tenants: string[] = [];
  await Promise.all(
    Array.from({ length: databases }, async (_, i) => {
      tenants[i] = await createTenantStubbornly(clients, { slug: `fleet-${i}`, region: 'eu' }, 300_000);
    }),
  );
  const fleet = {
    house,
    servers,
    clients,
    /** Of those that nobody has suspended or deleted yet. */
    tenants,
    files: readdirSync(path.join(root, 'migrations/tenant'))
      .filter((name) => /^\d.*\.sql$/.test(name))
      .map((name) => ({ name, text: readFileSync(path.join(root, 'migrations/tenant', name), 'utf8') })),
    async kill(victim: number): Promise<void> {
      await servers[victim]?.kill();
      servers[victim] = await start(victim);
    },
  };
  await settled(fleet);
  return fleet;
}

/** Tenants that come, go away, come back and leave for ever, each at a moment of its own. */
export async function moveTenants(fleet: KilledFleet, random: () => number, name: string): Promise<void> {
  const { clients, tenants } = fleet;
  const [away, gone] = [tenants.pop(), tenants.pop()] as [string, string];
  const [birth, second, leave, back, end] = Array.from({ length: 5 }, () => random() * 1_500) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const born = async (slug: string, afterMs: number) => {
    await sleep(afterMs); // a moment is what is tried here: the seed names it
    await createTenantStubbornly(clients, { slug, region: 'eu' }, 300_000);
  };
  const suspended = async () => {
    await sleep(leave);
    await moveTenantStubbornly(clients, away, ['suspend', 'active', 'suspended'], 300_000);
    await sleep(back);
    await moveTenantStubbornly(clients, away, ['resume', 'suspended', 'active'], 300_000);
  };
  const deleted = async () => {
    await sleep(end);
    await moveTenantStubbornly(clients, gone, ['delete', 'active', 'deleted'], 300_000);
  };
  await Promise.all([born(`${name}-a`, birth), born(`${name}-b`, second), suspended(), deleted()]);
}

/** Every operation has ended, and every open database is where new ones are born. */
export async function settled(fleet: Pick<KilledFleet, 'house'>, timeoutMs = 300_000): Promise<void> {
  await operationsEnded(fleet, timeoutMs);
  const behind = `select from databases d, lane_heads h join releases r on r.id = h.release_id
    where h.lane = 'tenant' and d.state in ('warm', 'claimed') and not d.fenced and d.lanes -> 'tenant' ->> 'hash' <> r.hash`;
  const none = async () => (await fleet.house.inCatalog(behind)).length === 0;
  await waitUntil(none, { what: 'every database to be at the release', timeoutMs, intervalMs: 200 });
}

export async function operationsEnded({ house }: Pick<KilledFleet, 'house'>, timeoutMs = 60_000): Promise<void> {
  const open = `select from operations where state in ('pending', 'running', 'undoing')`;
  const none = async () => (await house.inCatalog(open)).length === 0;
  await waitUntil(none, { what: 'every operation to end', timeoutMs, intervalMs: 200 });
}

export type Member = { id: string; name: string; state: string; fence: number; closed: boolean };

export function membersOf({ house }: Pick<KilledFleet, 'house'>, rollout: string): Promise<Member[]> {
  return house.inCatalog<Member>(
    `select m.database_id as id, d.name, m.state, m.fence, d.fenced or d.state not in ('warm', 'claimed') as closed
     from rollout_members m join databases d on d.id = m.database_id where m.rollout_id = $1 order by 1`,
    [rollout],
  );
}

/** All that is needed to say why it has not ended, or not well. */
export async function standOf({ house }: Pick<KilledFleet, 'house'>, rollout: string) {
  const [row] = await house.inCatalog<{ state: string; verdict: unknown }>(
    'select state, verdict from rollouts where id = $1',
    [rollout],
  );
  const members = await house.inCatalog(
    `select state, wave, error ->> 'code' as code, error ->> 'message' as message, skip_reason, lease_holder,
       max(attempts) as attempts, max(next_attempt_at) as next_attempt_at, max(lease_until) as lease_until, count(*)::int as count
     from rollout_members where rollout_id = $1 group by 1, 2, 3, 4, 5, 6`,
    [rollout],
  );
  return { ...row, members };
}

/** The report counts what is in the databases: applied by this rollout, by somebody else, or not there. */
export async function reportAgrees(fleet: KilledFleet, rollout: string): Promise<void> {
  const members = await membersOf(fleet, rollout);
  const counted: Record<string, number> = {};
  for (const { state } of members) counted[state] = (counted[state] ?? 0) + 1;
  const { counts } = await (fleet.clients()[0] as Client).rollouts.get(rollout);
  expect(Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))).toEqual(counted);
  const open = members.filter(({ closed }) => !closed);
  const said = open.map(({ name, state }) => `${name} ${state}`);
  const newest = stampedName(fleet.files.at(-1)?.name);
  const found = await inEach(fleet, open, async ({ name, state }, sql) => {
    const [row] = await sql<{ run: string }>(
      `select run from freehold.ledger where lane = 'tenant' and name = '${newest}'`,
    );
    if (row?.run === rollout) return `${name} done`;
    if (row === undefined) return `${name} ${state === 'skipped' ? state : 'pending'}`;
    return `${name} ${state === 'done' ? 'done by another' : state}`;
  });
  expect(found).toEqual(said);
}

/** In every open database each file has run once or, where it may be behind, not at all; booked as often as it ran. */
export async function everyFileOnce(fleet: KilledFleet, { mayBeBehind }: { mayBeBehind: boolean }): Promise<void> {
  const rows = await fleet.house.inCatalog<{ name: string; lanes: { tenant: { version: string } } }>(
    `select name, lanes from databases where state in ('warm', 'claimed') and not fenced order by name`,
  );
  const counted = fleet.files.filter(({ name }) => name.endsWith('_counted.sql')).map(({ name }) => stampedName(name));
  await inEach(fleet, rows, async ({ name, lanes }, sql) => {
    const booked = await sql<{ name: string }>(`select name from freehold.ledger where lane = 'tenant' order by name`);
    const known = await sql<{ name: string }>('select name from public.pgmigrations order by name');
    const ran = await sql<{ file: string; times: number }>(
      counted.length === 0
        ? 'select where false'
        : 'select file, count(*)::int as times from counted group by 1 order by 1',
    ).catch(() => []); // the first of these files makes the table
    expect(known, name).toEqual(booked);
    const there = booked.filter((row) => counted.includes(row.name)).map((row) => ({ file: row.name, times: 1 }));
    expect(ran, name).toEqual(there);
    expect(lanes.tenant.version, name).toBe(booked.at(-1)?.name.split('_')[0]);
    if (!mayBeBehind) expect(booked.length, name).toBe(fleet.files.length);
  });
}

/** Neither fsck nor a sweep for drift has anything to say, and every open database gave an answer. */
export async function nothingIsAmiss(fleet: KilledFleet): Promise<void> {
  const client = fleet.clients()[0] as Client;
  expect((await client.fsck()).findings).toEqual([]);
  const amiss: unknown[] = [];
  for await (const line of client.fleet.sweepDrift({})) {
    if (line.type === 'checked' && line.drifted) amiss.push(line);
    if (line.type === 'unanswered' && line.code !== 'closed') amiss.push(line);
    if (line.type === 'summary') expect(line.checked).toBeGreaterThan(0);
  }
  expect(amiss).toEqual([]);
}

export const stampedName = (file = ''): string => file.replace(/\.sql$/, '');

type Ask = <R extends object>(sql: string) => Promise<R[]>;

async function inEach<D extends { name: string }, T>(
  { house }: Pick<KilledFleet, 'house'>,
  databases: readonly D[],
  act: (database: D, sql: Ask) => Promise<T>,
): Promise<T[]> {
  const address = house.tenantServers[0]?.server.address as ProcessHouse['catalog'];
  const results: T[] = [];
  const queue = databases.entries();
  const walk = async () => {
    for (const [at, database] of queue)
      results[at] = await act(database, (sql) => superuserSql({ ...address, database: database.name }, sql));
  };
  await Promise.all(Array.from({ length: atOnce }, walk));
  return results;
}
