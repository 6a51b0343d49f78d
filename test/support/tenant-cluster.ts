// Owns tenant databases for tests: a server with Freehold installed, databases made by the real ClusterAdmin. All test files
// share two servers, so the installation is the same for all: one sealing key, one provisioner password.

import { type ClusterId, type DatabaseId, newId } from '../../catalog/ids.ts';
import { type Login, namesOf } from '../../catalog/names.ts';
import type { Lane } from '../../control-plane/migration-files/migration-file.ts';
import { readLane } from '../../control-plane/migration-files/read-folder.ts';
import {
  type ClusterAdmin,
  createClusterAdmins,
  type DatabaseLimits,
} from '../../control-plane/postgres/cluster-admin.ts';
import { adminDatabase, provisionerRole } from '../../control-plane/postgres/cluster-names.ts';
import { type InstalledCluster, installCluster } from '../../control-plane/postgres/install-cluster.ts';
import { createTenantDatabases, type TenantDatabases } from '../../control-plane/postgres/tenant-database.ts';
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import { scramVerifier } from '../../platform/postgres/scram.ts';
import { createSealer } from '../../platform/sealing.ts';
import type { ServerAddress } from './clusters.ts';

export const testSealer = createSealer({
  keys: [{ id: 'test', key: new Uint8Array(32).fill(7) }],
  currentKeyId: 'test',
});
export const testLimits: DatabaseLimits = {
  loginConnectionsMax: 5,
  tempFileKibMax: 10_240,
  statementTimeoutMs: 20_000,
};
export const quietLog = { info: () => {}, warn: () => {} };
const provisionerPassword = 'only-in-tests-provisioner';

/** Any number of test files may call it at once. */
export function installTestCluster(server: ServerAddress): Promise<InstalledCluster> {
  return installCluster({
    address: server,
    mac: (text) => testSealer.mac('installation', text),
    log: quietLog,
    provisionerPassword,
  });
}

export type TenantCluster = {
  server: ServerAddress;
  admin: ClusterAdmin;
  databases: TenantDatabases;
  provisioner: PostgresAddress;
  addressOf(id: DatabaseId, login: Login): PostgresAddress;
  /** Roles with passwords that addressOf knows. */
  makeRoles(id: DatabaseId): Promise<void>;
  /** Roles, database, lanes; open. */
  makeDatabase(): Promise<DatabaseId>;
  /** Drops whatever this cluster object has made. */
  close(): Promise<void>;
};

export async function openTenantCluster(server: ServerAddress, tenantLane?: Lane): Promise<TenantCluster> {
  await installTestCluster(server);
  const provisioner = { ...server, database: adminDatabase, user: provisionerRole, password: provisionerPassword };
  const admins = createClusterAdmins({ addressOf: async () => provisioner, sealer: testSealer, log: quietLog });
  const admin = admins.of(newId('cluster') as ClusterId);
  const core = readLane('core', laneFolder('core'));
  const lanes = tenantLane === undefined ? [await core] : [await core, tenantLane];
  const made = new Set<DatabaseId>();
  const addressOf = (id: DatabaseId, login: Login): PostgresAddress => {
    const names = namesOf(id);
    return { ...server, database: names.database, user: names.logins[login], password: passwordOf(id, login) };
  };
  const databases = createTenantDatabases({
    addressOf: async (id, login) => addressOf(id, login),
    heads: async () => lanes,
    lookForBlockers: (id) => (pid) => admin.blockersOf(id, pid),
    log: quietLog,
  });
  const makeRoles = async (id: DatabaseId) => {
    made.add(id);
    await admin.makeRoles(id, verifiersOf(id), testLimits);
  };
  return {
    server,
    admin,
    databases,
    provisioner,
    addressOf,
    makeRoles,
    async makeDatabase() {
      const id = newId('database');
      await makeRoles(id);
      await admin.createDatabase(id);
      await admin.openDatabase(id);
      await databases.applyLanes(id);
      return id;
    },
    async close() {
      await databases.close();
      for (const id of made) {
        await admin.dropDatabase(id);
        await admin.dropRoles(id);
      }
      await admins.close();
    },
  };
}

export function passwordOf(id: DatabaseId, login: Login): string {
  return `only-in-tests-${login}-${id}`;
}

export function verifiersOf(id: DatabaseId): Record<Login, string> {
  const verifier = (login: Login) => scramVerifier(passwordOf(id, login));
  return { mig: verifier('mig'), app_a: verifier('app_a'), app_b: verifier('app_b'), ro: verifier('ro') };
}

export function laneFolder(name: 'core' | 'tenant'): string {
  return new URL(`../../migrations/${name}`, import.meta.url).pathname;
}
