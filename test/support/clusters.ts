// Owns the PostgreSQL servers of a test run. Three are started once by global-setup.ts and shared by every test file: never
// stop them, never leave anything in them. A test that kills servers starts its own by startPrivateCluster.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inject } from 'vitest';
import { clearLeftover } from '../../platform/embedded-postgres/leftover-server.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres, throwAwayParameters } from '../../platform/embedded-postgres.ts';
import { freePort } from '../../platform/free-port.ts';
import type { ServerAddress } from './server-address.ts';
import { diskName, unmountDisk } from './small-disk.ts';
import { superuserSql } from './superuser-sql.ts';

export { freePort } from '../../platform/free-port.ts';
export type { ServerAddress } from './server-address.ts';
export { waitUntil } from './wait-until.ts';

export type SharedClusters = { system: ServerAddress; a: ServerAddress; b: ServerAddress };

declare module 'vitest' {
  interface ProvidedContext {
    clusters: SharedClusters;
  }
}

/** Catalog and queue databases live here. Superuser, database postgres. */
export function systemCluster(): ServerAddress {
  return inject('clusters').system;
}

/** Tenant databases live here. Superuser, database postgres. */
export function tenantCluster(name: 'a' | 'b'): ServerAddress {
  return inject('clusters')[name];
}

export type ScratchDatabase = { address: ServerAddress; drop(): Promise<void> };

/** An empty database, or a copy of `template`, owned by the superuser. */
export async function createScratchDatabase(
  server: ServerAddress,
  options: { template?: string } = {},
): Promise<ScratchDatabase> {
  const database = `scratch_${randomBytes(6).toString('hex')}`;
  await superuserSql(server, `CREATE DATABASE ${database} TEMPLATE "${options.template ?? 'template0'}"`);
  return {
    address: { ...server, database },
    drop: async () => {
      await superuserSql(server, `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    },
  };
}

export type PrivateClusterOptions = {
  /** Say { fsync: 'on' } to try durability. */
  parameters?: Record<string, string>;
  hba?: string;
  log?: (line: string) => void;
};

export type PrivateCluster = {
  /** The same for the whole life: the port is kept over restarts. */
  readonly address: ServerAddress;
  readonly dataDir: string;
  /** Of the server that runs now. */
  readonly pid: number;
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  /** SIGKILL: a crash. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** After stop or kill. */
  start(): Promise<void>;
  /** Stops and removes the data. To be called in afterAll. */
  remove(): Promise<void>;
};

export async function startPrivateCluster(options: PrivateClusterOptions = {}): Promise<PrivateCluster> {
  const folder = createTestFolder();
  const dataDir = path.join(folder, 'data');
  const port = await freePort();
  const start = () => startTestServer(dataDir, { port, ...options });
  let server = await start();
  return {
    address: server.address,
    dataDir,
    get pid() {
      return server.pid;
    },
    stop: (mode) => server.stop(mode),
    kill: async () => {
      server.kill();
      await server.exited;
    },
    start: async () => {
      server = await start();
    },
    remove: async () => {
      await server.stop('immediate');
      fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

const folderPrefix = 'freehold-test-';

/** A folder of this process under the temporary folder that the account of PostgreSQL can pass through. */
export function createTestFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `${folderPrefix}${process.pid}-`));
  fs.chmodSync(folder, 0o711);
  return folder;
}

/** Stops and removes what runs that were killed have left behind. */
export async function removeAbandonedTestFolders(): Promise<void> {
  for (const name of fs.readdirSync(os.tmpdir())) {
    const pid = name.startsWith(folderPrefix) ? Number.parseInt(name.slice(folderPrefix.length), 10) : Number.NaN;
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    const folder = path.join(os.tmpdir(), name);
    try {
      for (const entry of fs.readdirSync(folder)) {
        await clearLeftover(path.join(folder, entry), (server, signal) => process.kill(server, signal), console.log);
      }
      if (fs.existsSync(path.join(folder, diskName))) unmountDisk(path.join(folder, diskName));
      fs.rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      console.log(`left alone: ${folder}: ${String(error)}`); // of another user, or still ending
    }
  }
}

/** Data that may be lost, and small enough that three servers and the tests fit one machine. */
export function startTestServer(
  dataDir: string,
  options: { port?: number } & PrivateClusterOptions = {},
): Promise<EmbeddedPostgres> {
  const { parameters, ...rest } = options;
  return startEmbeddedPostgres({
    dataDir,
    superuserPassword: 'only-in-tests',
    ...rest,
    parameters: { ...throwAwayParameters, shared_buffers: '32MB', ...parameters },
  });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
