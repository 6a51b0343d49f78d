// Owns BullMQ on Redis. A Redis that may evict keys loses jobs silently, so it is refused at the start; where neither INFO nor
// CONFIG may be read, that is said and believed.
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { catalogFault } from '../../catalog/errors.ts';
import { isFault } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import { type JobData, lockDurationMs, type QueueBackend, stalledIntervalMs } from './queue-backend.ts';

const connectTimeoutMs = 1_000;
/** A Redis that comes back is noticed within this. */
const reconnectMaxMs = 1_000;

export type RedisBackendDeps = { url: string; log: Log; prefix?: string };

/** @throws Fault queue_unavailable | queue_unsafe */
export async function openRedisBackend({ url, log, prefix = 'freehold' }: RedisBackendDeps): Promise<QueueBackend> {
  // For adding: fails at once while Redis is away, instead of keeping the nudges of an hour in memory.
  const adder = connect(url, { enableOfflineQueue: false, maxRetriesPerRequest: 1, lazyConnect: true }, log);
  // For working: waits for Redis as long as it takes; BullMQ demands it.
  const workers: Redis[] = [];
  const check = () => checkPolicy(adder, log);
  try {
    await adder.connect();
    await check();
  } catch (error) {
    adder.disconnect();
    throw error instanceof Error && isFault(error) ? error : unavailable(error);
  }
  return {
    openQueue: (name) => new Queue<JobData>(name, { connection: adder, prefix }),
    openWorker(name, concurrency, handle) {
      const connection = connect(url, { maxRetriesPerRequest: null }, log);
      workers.push(connection);
      return new Worker<JobData>(name, handle, {
        connection,
        prefix,
        concurrency,
        lockDuration: lockDurationMs,
        stalledInterval: stalledIntervalMs,
      });
    },
    check,
    async close() {
      for (const connection of [adder, ...workers]) connection.disconnect();
    },
  };
}

type Options = { enableOfflineQueue?: boolean; maxRetriesPerRequest: number | null; lazyConnect?: boolean };

function connect(url: string, options: Options, log: Log): Redis {
  const connection = new Redis(url, {
    ...options,
    connectTimeout: connectTimeoutMs,
    retryStrategy: (times) => Math.min(times * 50, reconnectMaxMs),
    connectionName: 'freehold',
  });
  connection.on('error', (error: Error) => log.debug({ err: error }, 'redis connection error'));
  return connection;
}

async function checkPolicy(redis: Redis, log: Log): Promise<void> {
  const policy = await readPolicy(redis);
  if (policy === undefined) {
    log.warn('neither INFO nor CONFIG of Redis may be read: make sure that its maxmemory-policy is noeviction');
    return;
  }
  if (policy === 'noeviction') return;
  throw catalogFault(
    'queue_unsafe',
    `Redis has the maxmemory-policy ${policy} and may drop jobs. Set it to noeviction.`,
  );
}

/** INFO is rarely forbidden; CONFIG is on most managed servers. */
async function readPolicy(redis: Redis): Promise<string | undefined> {
  const info = await redis.info('memory').catch(refusedOnly);
  const told = info === undefined ? undefined : /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (told !== undefined) return told;
  const config = (await redis.config('GET', 'maxmemory-policy').catch(refusedOnly)) as string[] | undefined;
  return config?.[1];
}

function refusedOnly(error: unknown): undefined {
  if (error instanceof Error && error.name === 'ReplyError') return undefined;
  throw unavailable(error);
}

function unavailable(cause: unknown) {
  return catalogFault('queue_unavailable', 'Redis does not answer.', { cause, internal: String(cause) });
}
