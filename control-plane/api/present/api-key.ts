// Owns how an API key looks after its creation: everything but the secret, which nobody can show again.
import { z } from '@hono/zod-openapi';
import type { ApiKeyRow } from '../../../catalog/api-keys.ts';
import { adminRoles } from '../../../catalog/roles.ts';
import { timeOrNull, timeSchema } from './shared-shapes.ts';

export const apiKeySchema = z
  .object({
    id: z.string().openapi({ example: 'key_01KAN3W2V8Q4R5S6T7V8W9X0YZ' }),
    name: z.string(),
    role: z.enum(adminRoles),
    prefix: z.string().openapi({ description: 'The beginning of the key, to recognise it by; no part of the secret.' }),
    created_by: z.string(),
    created_at: timeSchema,
    expires_at: timeSchema.nullable(),
    revoked_at: timeSchema.nullable(),
    last_used_at: timeSchema.nullable().openapi({ description: 'To the minute.' }),
  })
  .openapi('ApiKey');

export type ApiKey = z.output<typeof apiKeySchema>;

export function presentApiKey(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    prefix: `fhk_${row.id.slice(4)}_`,
    created_by: row.created_by,
    created_at: row.created_at.toISOString(),
    expires_at: timeOrNull(row.expires_at),
    revoked_at: timeOrNull(row.revoked_at),
    last_used_at: timeOrNull(row.last_used_at),
  };
}
