// Owns API keys as a resource. The key itself is in one answer only, that of its creation.
import { z } from '@hono/zod-openapi';
import { createApiKey, listApiKeys, revokeApiKey } from '../../../catalog/api-keys.ts';
import { adminRoles } from '../../../catalog/roles.ts';
import { edgeFault } from '../../../platform/edge-faults.ts';
import { idParam, plainText } from '../input-shapes.ts';
import { answerPage, pageQuery, pageSchema } from '../page.ts';
import { apiKeySchema, presentApiKey } from '../present/api-key.ts';
import { type AdminRoute, defineRoute } from '../route.ts';

const tag = 'API keys';

export const newApiKeySchema = z
  .strictObject({
    name: plainText(200),
    role: z.enum(adminRoles),
    expires_at: z.iso.datetime({ offset: true }).optional().openapi({ description: 'Default: never.' }),
  })
  .openapi('NewApiKey');

export const createdApiKeySchema = apiKeySchema
  .extend({ key: z.string().openapi({ description: 'The key itself, shown this once.', example: 'fhk_…' }) })
  .openapi('CreatedApiKey');

export const apiKeyRoutes: readonly AdminRoute[] = [
  defineRoute(
    {
      method: 'post',
      path: '/v1/api-keys',
      operationId: 'createApiKey',
      tag,
      summary: 'Create an API key',
      description: 'Only its keyed hash is stored: keep the key when you see it.',
      access: ['owner'],
      audit: 'api_key.create',
      body: newApiKeySchema,
      answers: { 201: { description: 'The key, shown once.', schema: createdApiKeySchema } },
    },
    async (deps, { c, body, caller }) => {
      const expiresAt = body.expires_at === undefined ? null : new Date(body.expires_at);
      if (expiresAt !== null && expiresAt <= deps.clock.now()) {
        const errors = [{ pointer: '/expires_at', message: 'must be in the future' }];
        throw edgeFault('invalid_body', 'Choose a time in the future, or none.', { extra: { errors } });
      }
      const input = { name: body.name, role: body.role, expiresAt };
      const { row, text } = await deps.db.transaction().execute((tx) => createApiKey(tx, deps.sealer, input, caller));
      return c.json({ ...presentApiKey(row), key: text }, 201);
    },
  ),
  defineRoute(
    {
      method: 'get',
      path: '/v1/api-keys',
      operationId: 'listApiKeys',
      tag,
      summary: 'List API keys, newest first',
      access: ['owner'],
      query: z.object(pageQuery),
      answers: { 200: { description: 'One page.', schema: pageSchema('ApiKeyPage', apiKeySchema), headers: ['Link'] } },
      faults: ['cursor_invalid'],
    },
    async (deps, request) =>
      await answerPage(deps, request, {
        list: 'api-keys',
        filter: {},
        read: (page) => listApiKeys(deps.db, page),
        keyOf: (row) => row.id,
        present: presentApiKey,
      }),
  ),
  defineRoute(
    {
      method: 'delete',
      path: '/v1/api-keys/{api_key}',
      operationId: 'revokeApiKey',
      tag,
      summary: 'Revoke an API key',
      description:
        'Refused by this process at once and by every other within a minute. The last live key of an owner cannot be revoked.',
      access: ['owner'],
      audit: 'api_key.revoke',
      params: z.object({ api_key: idParam('apiKey') }),
      answers: { 200: { description: 'The revoked key.', schema: apiKeySchema } },
      faults: ['api_key_not_found', 'wrong_state'],
    },
    async (deps, { c, params, caller }) => {
      const row = await deps.db.transaction().execute((tx) => revokeApiKey(tx, params.api_key, caller));
      deps.apiKeys.forget();
      return c.json(presentApiKey(row), 200);
    },
  ),
];
