// Owns bringing the catalog to the newest schema. Safe to start in several processes at once: the runner waits for its lock.
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import type { PostgresAddress } from '../platform/postgres/address.ts';

const folder = fileURLToPath(new URL('../migrations/catalog', import.meta.url));

/** Applies what is missing; returns the names of the files applied now. Needs the owner of the catalog database. */
export async function migrateCatalog(address: PostgresAddress): Promise<{ applied: string[] }> {
  const client = new pg.Client({
    host: address.host,
    port: address.port,
    database: address.database,
    user: address.user,
    password: address.password,
    ssl: sslOf(address),
    application_name: 'freehold-catalog-migrate',
    connectionTimeoutMillis: 5_000,
  });
  // Without a listener a lost connection is an uncaught 'error' event; the failing query reports it anyway.
  client.on('error', () => {});
  await client.connect();
  try {
    const done = await runner({
      dbClient: client,
      dir: folder,
      // schema.sql beside the migrations is generated, not a migration.
      ignorePattern: '(\\..*|schema\\.sql)',
      direction: 'up',
      migrationsTable: 'pgmigrations',
      advisoryLockMode: 'wait',
      log: () => {},
    });
    return { applied: done.map((file) => file.name) };
  } finally {
    await client.end();
  }
}

function sslOf(address: PostgresAddress): pg.ClientConfig['ssl'] {
  if (address.tls === undefined || address.tls === 'disable') return false;
  if (address.tls === 'require') return { rejectUnauthorized: false };
  return address.ca === undefined ? { rejectUnauthorized: true } : { rejectUnauthorized: true, ca: address.ca };
}
