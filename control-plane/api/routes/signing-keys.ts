// Owns signing keys as a resource, and their public parts where everybody may read them.
import { z } from '@hono/zod-openapi';
import { listSigningKeys, revokeSigningKey, rotateSigningKeys } from '../../../catalog/signing-keys.ts';
import { jwkSchema, presentSigningKey, signingKeySchema } from '../present/signing-key.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

const tag = 'Signing keys';

export const signingKeyRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'get',
      path: '/v1/signing-keys',
      operationId: 'listSigningKeys',
      tag,
      summary: 'List signing keys, newest first',
      access: ['operator', 'dba', 'owner'],
      answers: {
        200: {
          description: 'All of them.',
          schema: z.object({ data: z.array(signingKeySchema) }).openapi('SigningKeyList'),
        },
      },
    },
    async (deps, { c }) => c.json({ data: (await listSigningKeys(deps.db)).map(presentSigningKey) }, 200),
  ),
  defineRoute(
    {
      method: 'post',
      path: '/v1/signing-keys/rotate',
      operationId: 'rotateSigningKeys',
      tag,
      summary: 'Sign with the next key from now on',
      description: 'Tokens of the old key stay good until they run out. A new next key is published.',
      access: ['owner'],
      audit: 'signing_key.rotate',
      answers: { 200: { description: 'The key that signs from now on.', schema: signingKeySchema } },
    },
    async (deps, { c, caller }) => {
      const row = await deps.db.transaction().execute((tx) => rotateSigningKeys(tx, deps.sealer, deps.issuer, caller));
      deps.signingKeys.forget();
      return c.json(presentSigningKey(row), 200);
    },
  ),
  defineRoute(
    {
      method: 'post',
      path: '/v1/signing-keys/{kid}/revoke',
      operationId: 'revokeSigningKey',
      tag,
      summary: 'Refuse everything a key has signed',
      description:
        'For a key that has leaked: every token signed with it is refused as soon as the runtimes hear of it.',
      access: ['owner'],
      audit: 'signing_key.revoke',
      params: z.object({ kid: z.string().regex(/^[A-Za-z0-9_.-]{1,256}$/, 'must be a key id') }),
      answers: { 200: { description: 'The revoked key.', schema: signingKeySchema } },
      faults: ['signing_key_not_found'],
    },
    async (deps, { c, params, caller }) => {
      const row = await deps.db.transaction().execute((tx) => revokeSigningKey(tx, deps.sealer, params.kid, caller));
      deps.signingKeys.forget();
      return c.json(presentSigningKey(row), 200);
    },
  ),
  defineRoute(
    {
      method: 'get',
      path: '/.well-known/jwks.json',
      operationId: 'getJwks',
      tag,
      summary: 'The public keys that runtime tokens are signed with',
      access: 'public',
      answers: {
        200: { description: 'A key set (RFC 7517).', schema: z.object({ keys: z.array(jwkSchema) }).openapi('JwkSet') },
      },
    },
    // Short, so that a revoked key is soon gone from caches on the way.
    async (deps, { c }) =>
      c.json({ keys: await deps.signingKeys.published() }, 200, { 'cache-control': 'public, max-age=30' }),
  ),
];
