// Owns the way from the Authorization header to the tenant: token → claims → route → state → epoch. The tenant is what the
// token says and nothing else; no header, host, path or body is looked at (J10). A request that ends here has opened no
// session and sent no SQL.
import {
  type RuntimeClaims,
  runtimeAudience,
  runtimeClaimsSchema,
  runtimeTokenType,
  tokenLifetimeMaxSec,
} from '../catalog/claims.ts';
import { catalogFault } from '../catalog/errors.ts';
import type { Clock } from '../platform/clock.ts';
import { faultsOf } from '../platform/errors.ts';
import { bearerToken } from '../platform/http/bearer.ts';
import { jwtFaults, type VerifiedToken, verifyJwt } from '../platform/jwt.ts';
import type { VerifiedTokenCache } from '../platform/verified-token-cache.ts';
import type { Route, RouteDatabase } from './route.ts';
import type { RouteCache } from './route-cache.ts';
import type { SchemaGate } from './schema-gate.ts';
import type { VerificationKeys } from './verification-keys.ts';

export type TenantContext = {
  readonly route: Route & { readonly database: RouteDatabase };
  readonly claims: RuntimeClaims;
  /** All verified claims as they were signed, also those that only the product knows: what policies in the database read. */
  readonly claimsJson: string;
};

export interface TenantResolver {
  /** Throws Fault unauthenticated, token_invalid, tenant_not_served, schema_out_of_range or catalog_unavailable. */
  resolve(authorization: string | undefined): Promise<TenantContext>;
}

export type TenantResolverDeps = {
  keys: VerificationKeys;
  tokens: VerifiedTokenCache;
  routes: RouteCache;
  clock: Clock;
  schema: SchemaGate;
};

export function createTenantResolver({ keys, tokens, routes, clock, schema }: TenantResolverDeps): TenantResolver {
  const claimsOf = async (token: string): Promise<TokenClaims> => {
    const known = tokens.get(token);
    if (known !== undefined) return parsedClaims(known);
    const { keySet, issuers } = keys.current();
    const verified = await verifyJwt(token, keySet, {
      typ: runtimeTokenType,
      issuer: issuers,
      audience: runtimeAudience,
      maxLifetimeSec: tokenLifetimeMaxSec,
      now: clock.now(),
    });
    const parsed = runtimeClaimsSchema.safeParse(verified.claims);
    if (!parsed.success)
      throw refused(`claims: ${parsed.error.issues.map((issue) => issue.path.join('.')).join(', ')}`);
    const claims: TokenClaims = { parsed: parsed.data, json: JSON.stringify(verified.claims) };
    // Parsed once: the cache keeps the parsed claims in the place of the raw ones. A key that was retired while its
    // signature was being checked must not come back with the token.
    if (keys.current().keySet.find(verified.issuer, verified.kid) !== undefined) {
      tokens.set(token, { ...verified, claims });
    }
    return claims;
  };

  const reloadFor = async (claims: RuntimeClaims, route: Route): Promise<Route | undefined> => {
    const again = await routes.reload(route.tenantId);
    // The first may have joined a read that began before; the second cannot have.
    return again !== undefined && isOlder(again, claims) ? routes.reload(route.tenantId) : again;
  };

  return {
    async resolve(authorization) {
      const { parsed: claims, json: claimsJson } = await claimsOf(bearerToken(authorization));
      const found = routes.find(claims.tid);
      let route = found instanceof Promise ? await found : found;
      if (route !== undefined && isOlder(route, claims)) route = await reloadFor(claims, route);
      // Unknown, suspended, deleted, not ready: one answer, so that a token tells nothing about a tenant it cannot use.
      if (route === undefined || !hasDatabase(route)) throw notServed(route);
      if (claims.ep !== route.epoch) throw refused(`epoch ${claims.ep} of the token, ${route.epoch} of the tenant`);
      schema.check(route);
      return { route, claims, claimsJson };
    },
  };
}

export function notServed(route: Route | undefined) {
  return catalogFault('tenant_not_served', 'This tenant is not served. Ask the operator of the service.', {
    internal: route === undefined ? 'no such tenant' : `tenant is ${route.state}`,
  });
}

/**
 * The route was read before the token was minted: its epoch is lower; or it is not served, though nobody mints for a tenant
 * that is not served and its going out of service raised the epoch, so it is back and the notification is on its way.
 */
function isOlder(route: Route, claims: RuntimeClaims): boolean {
  return claims.ep > route.epoch || (claims.ep === route.epoch && !hasDatabase(route));
}

function hasDatabase(route: Route): route is TenantContext['route'] {
  return route.database !== undefined;
}

type TokenClaims = { parsed: RuntimeClaims; json: string };

/** What claimsOf has put there. */
function parsedClaims(verified: VerifiedToken): TokenClaims {
  return verified.claims as TokenClaims;
}

const jwtFault = faultsOf(jwtFaults);

/** The words of verifyJwt, so that nobody can tell one reason from another. */
function refused(internal: string) {
  return jwtFault('token_invalid', 'The token is not acceptable: mint a new one for this audience.', { internal });
}
