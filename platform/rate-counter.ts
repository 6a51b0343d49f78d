// Owns counting uses of something in windows of a minute: in Redis, so that many processes count together, or in this process.
// Promises: never waits longer than `storeTimeoutMs` and never fails. While the store is away each process counts for itself, so
// what is allowed in all grows with the number of processes, and nothing is refused that was within its limit (A06).
import { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { Log } from './log.ts';

export type Count = { used: number; resetMs: number };

export interface RateCounter {
  count(key: string): Promise<Count>;
  /** False while each process counts for itself. */
  readonly shared: boolean;
  close(): void;
}

export const rateWindowSec = 60;
/** A request must not wait for its counter longer than for its database. */
const storeTimeoutMs = 100;
const reconnectMaxMs = 1_000;
/** The limit differs from key to key and is compared by the caller. */
const points = Number.MAX_SAFE_INTEGER;

export function createRateCounter({ url, log }: { url: string | undefined; log: Log }): RateCounter {
  const local = new RateLimiterMemory({ points, duration: rateWindowSec, keyPrefix: 'freehold-rate' });
  const redis = url === undefined ? undefined : connect(url, log);
  const limiter =
    redis === undefined
      ? local
      : new RateLimiterRedis({
          storeClient: redis,
          points,
          duration: rateWindowSec,
          keyPrefix: 'freehold-rate',
          insuranceLimiter: local,
          rejectIfRedisNotReady: true,
        });
  return {
    async count(key) {
      try {
        const { consumedPoints, msBeforeNext } = await limiter.consume(key);
        return { used: consumedPoints, resetMs: msBeforeNext };
      } catch (error) {
        if (error instanceof RateLimiterRes) return { used: error.consumedPoints, resetMs: error.msBeforeNext };
        throw error;
      }
    },
    get shared() {
      return redis?.status === 'ready';
    },
    close: () => redis?.disconnect(),
  };
}

function connect(url: string, log: Log): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: storeTimeoutMs,
    connectTimeout: 1_000,
    retryStrategy: (times) => Math.min(times * 50, reconnectMaxMs),
    connectionName: 'freehold-runtime-limits',
  });
  let away = false;
  redis.on('error', (err: Error) => {
    if (!away) log.warn({ err }, 'the store of the rate limits is away: each process counts for itself');
    away = true;
  });
  redis.on('ready', () => {
    if (away) log.info('the store of the rate limits answers again');
    away = false;
  });
  return redis;
}
