// Owns BullMQ on PostgreSQL: a database of its own, beside the catalog and never on a tenant cluster, because the queue of
// NOTIFY belongs to a whole server (D12). Its schema is migrated before any queue or worker exists.
import { runMigrations, SchemaVersionMismatchError, withBackend } from 'bullmq';
import pg from 'pg';
import { catalogFault } from '../../catalog/errors.ts';
import { isFault } from '../../platform/errors.ts';
import { parseAddress } from '../../platform/postgres/address.ts';
import { createPatientBackend } from './patient-backend.ts';
import { type JobData, lockDurationMs, type QueueBackend, stalledIntervalMs } from './queue-backend.ts';

const bull = withBackend(createPatientBackend);
const schema = 'bullmq';

/** Sessions of each queue and of each worker; a worker has one more that listens. */
const sessionsMax = 2;
const connectTimeoutMs = 1_000;
/** A worker whose server refuses connections asks again after this; BullMQ's own 15 s would be an outage longer. */
const askAgainMs = 1_000;

/** @throws Fault queue_unavailable | queue_outdated */
export async function openPostgresBackend({ url }: { url: string }): Promise<QueueBackend> {
  const connection = connectionOf(url);
  await migrate(connection);
  return {
    openQueue: (name) => new bull.Queue<JobData>(name, { connection: { ...connection, schema } }),
    openWorker: (name, concurrency, handle) =>
      new bull.Worker<JobData>(name, handle, {
        connection: { ...connection, schema },
        concurrency,
        lockDuration: lockDurationMs,
        stalledInterval: stalledIntervalMs,
        runRetryDelay: askAgainMs,
      }),
    // A schema that was dropped under this process is as bad as a server that is away.
    check: () =>
      once(connection, async (client) => void (await client.query(`select from ${schema}.migration limit 1`))),
    close: async () => {},
  };
}

type Connection = ReturnType<typeof connectionOf>;

async function migrate(connection: Connection): Promise<void> {
  await once(connection, async (client) => {
    try {
      await runMigrations(client, schema);
    } catch (error) {
      if (!(error instanceof SchemaVersionMismatchError)) throw error;
      throw catalogFault(
        'queue_outdated',
        'The queue was migrated by a newer version of Freehold. Upgrade this process.',
        {
          cause: error,
          internal: error.message,
        },
      );
    }
  });
}

async function once(connection: Connection, act: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client(connection);
  client.on('error', () => {}); // the query that runs says so too
  try {
    await client.connect();
    await act(client);
  } catch (error) {
    if (isFault(error)) throw error;
    throw catalogFault('queue_unavailable', 'The queue database does not answer or refuses its work.', {
      cause: error,
      internal: String(error),
    });
  } finally {
    await client.end().catch(() => {});
  }
}

function connectionOf(url: string) {
  const { host, port, database, user, password, tls = 'disable', ca } = parseAddress(url);
  const ssl =
    tls === 'disable' ? false : { rejectUnauthorized: tls === 'verify-full', ...(ca === undefined ? {} : { ca }) };
  return {
    host,
    port,
    database,
    user,
    password,
    ssl,
    max: sessionsMax,
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: 'freehold-queue',
    // A nudge that a crash of the server loses is found by stuck-operations: nobody waits for its disk.
    options: '-c synchronous_commit=off',
  };
}
