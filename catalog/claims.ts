// Owns what a runtime token says. One token names one tenant; nothing else in a request can (J10).
import { z } from 'zod';
import { idSchema } from './ids.ts';

export const runtimeTokenType = 'at+jwt';
export const runtimeAudience = 'freehold-runtime';

/** Longest life of a runtime token: what a leaked one is worth when nobody notices. */
export const tokenLifetimeMaxSec = 15 * 60;

/**
 * Each of `sql`, `rest` and `graphql` opens that API and no other, as the login that reads and writes; with `:read`, as the
 * read-only login. What row-level policies may rely on: the SQL of `rest` and `graphql` is ours, so who comes by them is who his
 * token says. Who may send SQL of his own (`sql`, `sql:read`) may also set `request.jwt.claims` in his transaction: for him policies
 * are no wall within the tenant. Give those scopes to servers of the product, not to its users. `tenant:read` is for a token that can do nothing but ask who it is (GET /v1/tenant), which every token can.
 */
export const scopes = ['tenant:read', 'sql', 'sql:read', 'rest', 'rest:read', 'graphql', 'graphql:read'] as const;
export type Scope = (typeof scopes)[number];

/** Unknown members are allowed by RFC 7519 and ignored; the known ones are strict. */
export const runtimeClaimsSchema = z.object({
  iss: z.string(),
  aud: z.literal(runtimeAudience),
  sub: z.string().min(1).max(255),
  tid: idSchema('tenant'),
  ep: z.int().min(1).max(2_147_483_647),
  scope: z
    .string()
    .max(1000)
    .transform(
      (text) => new Set(text.split(' ').filter((word): word is Scope => (scopes as readonly string[]).includes(word))),
    ),
  iat: z.int(),
  exp: z.int(),
  jti: z.string().max(255).optional(),
});

export type RuntimeClaims = z.infer<typeof runtimeClaimsSchema>;
