// Owns the rate limits of a plan: requests a minute of the tenant, of one subject of its tokens and of one address. Every answer
// says what is left (RateLimit, RateLimit-Policy), a refused one when to come back. Without a limit in the plan nothing is counted.
import type { HttpBindings } from '@hono/node-server';
import type { Context, MiddlewareHandler } from 'hono';
import { isFault } from '../platform/errors.ts';
import type { EdgeEnv } from '../platform/http/edge.ts';
import { type Count, type RateCounter, rateWindowSec } from '../platform/rate-counter.ts';
import { runtimeFault } from './errors.ts';
import type { TenantContext, TenantResolver } from './resolve-tenant.ts';

export type RateLimitDeps = {
  resolver: Pick<TenantResolver, 'resolve'>;
  counter: Pick<RateCounter, 'count'>;
  /** The header in which a proxy that is trusted tells the client's address; undefined: the address of the connection. */
  clientIpHeader: string | undefined;
  /** Requests a minute of one address whose token is refused. */
  refusedTokensMax: number;
  onRefused(limit: LimitName): void;
};

export type LimitName = 'tenant' | 'subject' | 'ip' | 'refused_tokens';

type Limit = { name: LimitName; quota: number; key: string };
type Reading = Limit & Count;

/** Two in a row: what the inner one throws is an answer when the outer one sets its headers. */
export function rateLimits(deps: RateLimitDeps): [MiddlewareHandler<EdgeEnv>, MiddlewareHandler<EdgeEnv>] {
  const readings = new WeakMap<Context, Reading[]>();
  return [
    async (c, next) => {
      await next();
      const read = readings.get(c);
      if (read === undefined) return;
      c.res.headers.set('ratelimit-policy', read.map(policyText).join(', '));
      c.res.headers.set('ratelimit', read.map(remainingText).join(', '));
    },
    async (c, next) => {
      const tenant = await tenantOf(deps, c);
      const limits = tenant === undefined ? [] : limitsOf(tenant, addressOf(c, deps.clientIpHeader));
      if (limits.length > 0) {
        const read = await Promise.all(
          limits.map(async (limit) => ({ ...limit, ...(await deps.counter.count(limit.key)) })),
        );
        readings.set(c, read);
        const over = read.find(({ used, quota }) => used > quota);
        if (over !== undefined) {
          deps.onRefused(over.name);
          throw refusal(over);
        }
      }
      await next();
    },
  ];
}

/** Undefined where the endpoint will refuse the token itself, in its own words. */
async function tenantOf(deps: RateLimitDeps, c: Context<EdgeEnv>): Promise<TenantContext | undefined> {
  try {
    return await deps.resolver.resolve(c.req.header('authorization'));
  } catch (error) {
    if (isFault(error) && error.kind === 'unauthenticated') await countRefusedToken(deps, c);
    return undefined;
  }
}

/** Good tokens of the same address are never touched: many users may share one. */
async function countRefusedToken(deps: RateLimitDeps, c: Context<EdgeEnv>): Promise<void> {
  const key = `refused-tokens/${addressOf(c, deps.clientIpHeader)}`;
  const limit = { name: 'refused_tokens' as const, quota: deps.refusedTokensMax, key };
  const reading = { ...limit, ...(await deps.counter.count(key)) };
  if (reading.used <= reading.quota) return;
  deps.onRefused(limit.name);
  throw refusal(reading);
}

function limitsOf({ route, claims }: TenantContext, address: string): Limit[] {
  const { tenant_requests_per_minute: tenant, subject_requests_per_minute: subject } = route.limits;
  const { ip_requests_per_minute: ip } = route.limits;
  const limits: Limit[] = [];
  if (tenant !== null) limits.push({ name: 'tenant', quota: tenant, key: route.tenantId });
  if (subject !== null) {
    limits.push({ name: 'subject', quota: subject, key: `${route.tenantId}/sub/${encodeURIComponent(claims.sub)}` });
  }
  if (ip !== null) limits.push({ name: 'ip', quota: ip, key: `${route.tenantId}/ip/${address}` });
  return limits;
}

/** The last address of the header is the one that the nearest proxy has seen; those before it are the client's own words. */
function addressOf(c: Context<EdgeEnv>, header: string | undefined): string {
  const told = header === undefined ? undefined : c.req.header(header)?.split(',').at(-1)?.trim();
  if (told !== undefined && /^[0-9A-Fa-f.:]{2,45}$/.test(told)) return told;
  return (c.env as Partial<HttpBindings> | undefined)?.incoming?.socket?.remoteAddress ?? 'unknown';
}

function policyText({ name, quota }: Reading): string {
  return `"${name}";q=${quota};w=${rateWindowSec}`;
}

function remainingText({ name, quota, used, resetMs }: Reading): string {
  return `"${name}";r=${Math.max(0, quota - used)};t=${Math.ceil(resetMs / 1000)}`;
}

function refusal({ name, quota, resetMs }: Reading) {
  return runtimeFault('rate_limited', `The limit of ${quota} requests a minute ${words[name]} is reached.`, {
    retryAfterMs: resetMs,
    extra: { limit: name, retryable: true, outcome: 'not_done' },
  });
}

const words: Readonly<Record<LimitName, string>> = {
  tenant: 'for this tenant',
  subject: 'for this user of the tenant',
  ip: 'for this address',
  refused_tokens: 'with a token that is not acceptable',
};
