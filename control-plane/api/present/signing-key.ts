// Owns how a signing key looks: its public part and its state.
import { z } from '@hono/zod-openapi';
import type { SigningKeyRow } from '../../../catalog/signing-keys.ts';
import { timeOrNull, timeSchema } from './shared-shapes.ts';

export const jwkSchema = z.record(z.string(), z.unknown()).openapi('Jwk', { description: 'A public key (RFC 7517).' });

export const signingKeySchema = z
  .object({
    kid: z.string(),
    issuer: z.string(),
    alg: z.enum(['EdDSA', 'ES256', 'RS256']),
    state: z.enum(['next', 'active', 'retiring', 'revoked']),
    public_jwk: jwkSchema,
    created_at: timeSchema,
    retires_at: timeSchema.nullable(),
  })
  .openapi('SigningKey');

export type SigningKeyView = z.output<typeof signingKeySchema>;

export function presentSigningKey(row: SigningKeyRow): SigningKeyView {
  return {
    kid: row.kid,
    issuer: row.issuer,
    alg: row.alg,
    state: row.state,
    public_jwk: row.public_jwk,
    created_at: row.created_at.toISOString(),
    retires_at: timeOrNull(row.retires_at),
  };
}
