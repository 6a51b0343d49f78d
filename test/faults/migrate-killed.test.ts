// The process that migrates is killed (SIGKILL) at the two worst moments: inside of a transaction, and between a statement outside
// of one and its mark. The server goes on with what it was sent; the next process finds out what is so.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSession, type Session } from '../../platform/postgres/session.ts';
import { openProcessHouse, type ProcessHouse, registerClusters } from '../support/process-house.ts';
import { root, type ServerProcess } from '../support/processes.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

let house: ProcessHouse;
let plane: ServerProcess;
/** Of the two tenants. */
let databases: [string, string];
const sessions: Session[] = [];

beforeAll(async () => {
  house = await openProcessHouse({ regions: ['eu'], parameters: { synchronous_commit: 'on' } });
  plane = await house.startControlPlane();
  await registerClusters(house, house.client(plane), { warm_min: 0, warm_max: 2 });
  for (const slug of ['one', 'two'])
    await house.client(plane).tenants.create({ slug, name: slug, region: 'eu', plan: 'team' }, { waitSec: 60 });
  const rows = await house.inCatalog<{
    name: string;
  }>(`select d.name from databases d join tenants t on t.id = d.tenant_id
    order by t.slug`);
  databases = rows.map((row) => row.name) as typeof databases;
}, 120_000);
afterAll(async () => {
  await Promise.all(sessions.map((session) => session.close()));
  await house?.close();
});

const inside = <R>(database: string, sql: string) =>
  superuserSql({ ...addressOf(), database }, sql) as unknown as Promise<R[]>;
const addressOf = () => house.tenantServers[0]?.server.address as ProcessHouse['catalog'];

/** A file that counts each time it runs, and one that fails where its table is there already. */
const gate = 42;
const together = {
  name: '20261201000000001_together.sql',
  text: `create table counted (n bigint);\ninsert into counted values (1);\nselect pg_advisory_xact_lock(${gate});\n`,
};
const apart = {
  name: '20261201000000002_apart.sql',
  text: '-- freehold: no-transaction\ninsert into counted values (2);\ncreate index concurrently counted_n on counted (n);\n',
};

test('M03 killed inside of a transaction, and between a statement outside of one and its mark', async () => {
  const [one, two] = databases;
  const gates = await Promise.all(databases.map((database) => hold(database, `select pg_advisory_lock(${gate})`)));
  const rollout = await begin();

  // Both stand in the middle of the first file, whole as it was sent.
  for (const database of databases) await waits(database, 'counted values .1.');
  await plane.kill();
  const [ended] = await inside<{ ended: boolean }>(
    two,
    `select pg_terminate_backend(pid) as ended from (${migrating}) as m`,
  );
  expect(ended).toEqual({ ended: true });
  await Promise.all(gates.map((session) => session.close()));
  for (const database of databases) await nobodyMigrates(database);
  // Its end was never seen by anybody, and it is there with its bookkeeping; cut off, neither is.
  expect(await stateOf(one)).toEqual({ made: true, booked: ['together'], progress: [] });
  expect(await stateOf(two)).toEqual({ made: false, booked: [], progress: [] });

  const slow = await hold(one, 'begin; lock table counted in row exclusive mode');
  await restart();
  await waits(one, 'create index concurrently');
  await plane.kill();
  await slow.close();
  await nobodyMigrates(one);
  expect(await stateOf(one)).toEqual({ made: true, booked: ['together'], progress: ['done', 'intended'] });
  const before = await indexOf(one);
  expect(before).toMatchObject([{ valid: true }]);

  await restart();
  await waitUntil(async () => (await house.client(plane).rollouts.get(rollout)).state === 'succeeded', {
    what: 'the end of the rollout',
    timeoutMs: 60_000,
    intervalMs: 100,
  });
  for (const database of databases) {
    expect(await stateOf(database)).toEqual({ made: true, booked: ['together', 'apart'], progress: [] });
    expect(await inside(database, 'select n::int as n from counted order by n')).toEqual([{ n: 1 }, { n: 2 }]);
  }
  expect(await indexOf(one)).toEqual(before);
  expect((await house.client(plane).fsck()).findings).toEqual([]);
}, 120_000);

async function begin(): Promise<string> {
  const folder = path.join(root, 'migrations/tenant');
  const shipped = readdirSync(folder)
    .filter((name) => /^\d.*\.sql$/.test(name))
    .map((name) => ({ name, text: readFileSync(path.join(folder, name), 'utf8') }));
  const client = house.client(plane);
  const release = await client.releases.create({ lane: 'tenant', files: [...shipped, together, apart] });
  const policy = { waves: [{ size: '100%' }], lock_timeout_ms: 60_000 };
  return (await client.rollouts.create({ kind: 'migrate', lane: 'tenant', release: release.id, policy })).id;
}

/** Whoever was killed holds its members for some seconds more; nobody has to wait for that here. */
async function restart(): Promise<void> {
  await house.inCatalog(`update rollout_members set lease_until = clock_timestamp() where state = 'running'`);
  plane = await house.startControlPlane();
}

async function hold(database: string, sql: string): Promise<Session> {
  const session = await openSession({ ...addressOf(), database }, { applicationName: 'in-the-way' });
  sessions.push(session);
  await session.script(sql);
  return session;
}

const migrating = `select pid, query, wait_event_type from pg_stat_activity
  where usename ~ '_mig$' and datname = current_database() and state = 'active'`;

const waits = (database: string, query: string) =>
  waitUntil(
    async () =>
      (await inside(database, `select from (${migrating}) as m where wait_event_type = 'Lock' and query ~ '${query}'`))
        .length > 0,
    { what: `${query} waits in ${database}`, timeoutMs: 60_000 },
  );
const nobodyMigrates = (database: string) =>
  waitUntil(async () => (await inside(database, migrating)).length === 0, { what: `${database} is at rest` });

async function stateOf(database: string) {
  const [made] = await inside<{ made: boolean }>(database, `select to_regclass('counted') is not null as made`);
  const booked = await inside<{ name: string }>(
    database,
    `select l.name from freehold.ledger l join pgmigrations m on m.name = l.name where l.name ~ '^20261201' order by 1`,
  );
  const progress = await inside<{ state: string }>(database, 'select state from freehold.progress order by statement');
  return {
    made: made?.made,
    booked: booked.map((row) => row.name.replace(/^\d+_/, '')),
    progress: progress.map((row) => row.state),
  };
}

const indexOf = (database: string) =>
  inside(
    database,
    `select indexrelid::int as id, indisvalid as valid from pg_index where indexrelid = to_regclass('counted_n')`,
  );
