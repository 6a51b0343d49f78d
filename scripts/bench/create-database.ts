// Owns the proof that making a database costs the same whatever number of tenants a server holds: roles and database timed
// at 10, 1,000 and 10,000 sets of roles (roles without databases, which is what grows the shared catalogs).
// Beside each number stands the same work as bare SQL by a superuser, taken in turns with it.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type ClusterId, type DatabaseId, newId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import { type ClusterAdmin, createClusterAdmins } from '../../control-plane/postgres/cluster-admin.ts';
import { adminDatabase, provisionerRole } from '../../control-plane/postgres/cluster-names.ts';
import { installCluster } from '../../control-plane/postgres/install-cluster.ts';
import { startEmbeddedPostgres } from '../../platform/embedded-postgres.ts';
import { scramVerifier } from '../../platform/postgres/scram.ts';
import { openSession, type Session } from '../../platform/postgres/session.ts';
import { createSealer } from '../../platform/sealing.ts';

/** @param args numbers of role sets, in growing order */
export async function run(args: readonly string[]): Promise<void> {
  const levels = args.length > 0 ? args.map(Number) : [10, 1_000, 10_000];
  const folder = mkdtempSync(path.join(os.tmpdir(), 'freehold-bench-'));
  chmodSync(folder, 0o711);
  const server = await startEmbeddedPostgres({ dataDir: path.join(folder, 'data'), superuserPassword: 'bench' });
  const sealer = createSealer({ keys: [{ id: 'bench', key: new Uint8Array(32).fill(1) }], currentKeyId: 'bench' });
  const log = { info: () => {}, warn: () => {} };
  try {
    const { provisionerPassword } = await installCluster({
      address: server.address,
      mac: (text) => sealer.mac('installation', text),
      log,
    });
    const address = {
      ...server.address,
      database: adminDatabase,
      user: provisionerRole,
      password: provisionerPassword,
    };
    const admins = createClusterAdmins({ addressOf: async () => address, sealer, log });
    const bare = await openSession(server.address, { applicationName: 'bench-bare' });
    console.log(
      'median ms of 20                 makeRoles   bare SQL  | createDatabase   bare SQL  | dropDatabase + dropRoles',
    );
    let made = 0;
    for (const level of levels) {
      for (; made < level; made += 1) await makeRoles(admins.of(cluster), newId('database'));
      console.log(row(level, await measure(admins.of(cluster), bare)));
    }
    await bare.close();
    await admins.close();
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const cluster = newId('cluster') as ClusterId;
const rounds = 20;
const limits = { loginConnectionsMax: 20, tempFileKibMax: 1_048_576, statementTimeoutMs: 15_000 };
const verifier = scramVerifier('bench-password');

type Times = { roles: number; bareRoles: number; create: number; bareCreate: number; drop: number };

async function measure(admin: ClusterAdmin, bare: Session): Promise<Times> {
  const times: Record<keyof Times, number[]> = { roles: [], bareRoles: [], create: [], bareCreate: [], drop: [] };
  for (let round = 0; round < rounds; round += 1) {
    const [ours, theirs] = [newId('database'), newId('database')];
    times.roles.push(await timed(() => makeRoles(admin, ours)));
    times.bareRoles.push(await timed(() => bare.script(bareRolesSql(theirs))));
    times.create.push(await timed(() => admin.createDatabase(ours)));
    times.bareCreate.push(await timed(() => bareCreate(bare, theirs)));
    times.drop.push(
      await timed(async () => {
        await admin.dropDatabase(ours);
        await admin.dropRoles(ours);
      }),
    );
    await bare.query(`drop database ${namesOf(theirs).database}`);
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
  return {
    roles: median(times.roles),
    bareRoles: median(times.bareRoles),
    create: median(times.create),
    bareCreate: median(times.bareCreate),
    drop: median(times.drop),
  };
}

function makeRoles(admin: ClusterAdmin, id: DatabaseId): Promise<void> {
  return admin.makeRoles(id, { mig: verifier, app_a: verifier, app_b: verifier, ro: verifier }, limits);
}

/** Six roles, their memberships and passwords: what cannot be left out. */
function bareRolesSql(id: DatabaseId): string {
  const { database, owner, logins } = namesOf(id);
  return [
    `create role ${database}`,
    `create role ${owner}`,
    ...Object.values(logins).map(
      (login) =>
        `create role ${login} login connection limit 20 password '${verifier}' in role ${database}, freehold_tenants`,
    ),
    `grant ${owner} to ${logins.mig}`,
  ].join(';');
}

async function bareCreate(bare: Session, id: DatabaseId): Promise<void> {
  const { database, owner } = namesOf(id);
  await bare.query(
    `create database ${database} template freehold_template owner ${owner} allow_connections false strategy wal_log`,
  );
  await bare.script(
    `revoke all on database ${database} from public; grant connect on database ${database} to ${database}`,
  );
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await act();
  return performance.now() - started;
}

function row(level: number, times: Times): string {
  const cell = (ms: number, width: number) => ms.toFixed(1).padStart(width);
  return (
    `${String(level).padStart(6)} sets of six roles      ${cell(times.roles, 12)} ${cell(times.bareRoles, 10)}  | ${cell(times.create, 14)} ` +
    `${cell(times.bareCreate, 10)}  | ${cell(times.drop, 12)}`
  );
}
