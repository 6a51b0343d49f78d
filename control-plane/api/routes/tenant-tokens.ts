// Owns minting runtime tokens: short-lived, for one tenant, with named scopes. The token is shown once and not stored.
import { z } from '@hono/zod-openapi';
import { writeAudit } from '../../../catalog/audit.ts';
import { runtimeAudience, runtimeTokenType, scopes, tokenLifetimeMaxSec } from '../../../catalog/claims.ts';
import { catalogFault } from '../../../catalog/errors.ts';
import { isServed, movesFrom } from '../../../catalog/tenant-states.ts';
import { findTenant } from '../../../catalog/tenants.ts';
import { newId26 } from '../../../platform/crockford.ts';
import { signJwt } from '../../../platform/jwt.ts';
import { idParam, plainText } from '../input-shapes.ts';
import { timeSchema } from '../present/shared-shapes.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

/** Enough for one piece of work; who needs longer asks again. */
const ttlDefaultSec = 300;

export const newTokenSchema = z
  .strictObject({
    scopes: z
      .array(z.enum(scopes))
      .min(1)
      .max(scopes.length)
      .refine((list) => new Set(list).size === list.length, 'names a scope twice')
      .openapi({
        description:
          'Each of sql, rest and graphql opens that API; with :read as the read-only login. Who may send SQL of his own (sql, sql:read) may also set request.jwt.claims in his transaction, so row-level policies bind users of rest and graphql only: give the sql scopes to servers of the product.',
      }),
    ttl_seconds: z.int().min(1).max(tokenLifetimeMaxSec).default(ttlDefaultSec),
    subject: plainText(255).openapi({ description: 'Who will use it: a user or service of the product.' }),
  })
  .openapi('NewToken');

export const mintedTokenSchema = z
  .object({
    token: z.string(),
    token_type: z.literal('Bearer'),
    expires_at: timeSchema,
    tenant_id: z.string(),
    scopes: z.array(z.enum(scopes)),
    subject: z.string(),
    kid: z.string(),
    jti: z.string(),
  })
  .openapi('MintedToken');

export type MintedToken = z.output<typeof mintedTokenSchema>;

export const tenantTokenRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'post',
      path: '/v1/tenants/{tenant}/tokens',
      operationId: 'mintTenantToken',
      tag: 'Tenants',
      summary: 'Mint a runtime token for a tenant',
      description: `Lives at most ${tokenLifetimeMaxSec} seconds. It ends early when the tenant is suspended or deleted.`,
      access: ['operator', 'owner'],
      audit: 'tenant.mint_token',
      params: z.object({ tenant: idParam('tenant') }),
      body: newTokenSchema,
      answers: { 201: { description: 'The token, shown once.', schema: mintedTokenSchema } },
      faults: ['tenant_not_found', 'wrong_state'],
    },
    async (deps, { c, params, body, caller }) => {
      const key = await deps.signingKeys.active();
      const jti = newId26();
      const tenant = await deps.db.transaction().execute(async (tx) => {
        const row = await findTenant(tx, params.tenant);
        if (row === undefined) throw catalogFault('tenant_not_found', 'There is no tenant with this id or slug.');
        if (!isServed(row.state)) {
          throw catalogFault('wrong_state', `The tenant is ${row.state}; only an active tenant gets tokens.`, {
            extra: { state: row.state, possible: movesFrom(row.state) },
          });
        }
        const detail = { jti, kid: key.kid, scopes: body.scopes, subject: body.subject, ttl_seconds: body.ttl_seconds };
        await writeAudit(tx, caller, { action: 'tenant.mint_token', targetType: 'tenant', targetId: row.id, detail });
        return row;
      });
      const iat = Math.floor(deps.clock.now().getTime() / 1000);
      const exp = iat + body.ttl_seconds;
      const claims = {
        iss: deps.issuer,
        aud: runtimeAudience,
        sub: body.subject,
        tid: tenant.id,
        ep: tenant.epoch,
        scope: body.scopes.join(' '),
        iat,
        exp,
        jti,
      };
      const minted: MintedToken = {
        token: await signJwt(claims, key, { typ: runtimeTokenType }),
        token_type: 'Bearer',
        expires_at: new Date(exp * 1000).toISOString(),
        tenant_id: tenant.id,
        scopes: body.scopes,
        subject: body.subject,
        kid: key.kid,
        jti,
      };
      return c.json(minted, 201);
    },
  ),
];
