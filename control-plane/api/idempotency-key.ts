// Owns the Idempotency-Key of a request: the header, and the hash of the body that a repetition must have too.
import { createHash } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { catalogFault } from '../../catalog/errors.ts';

/** @param description says what each new key stands for */
export function idempotencyHeader(description: string) {
  return {
    // Optional here, because its absence has an answer of its own.
    'idempotency-key': z
      .string()
      .regex(/^[\x20-\x7e]{1,255}$/, 'must be 1 to 255 printable characters')
      .optional()
      .openapi({ description, example: '0b5d2f4e-signup-4711' }),
  };
}

/** @throws Fault idempotency_key_required */
export function idempotencyOf(
  headers: { 'idempotency-key'?: string | undefined },
  body: object,
): { key: string; requestHash: string } {
  const key = headers['idempotency-key'];
  if (key === undefined) {
    throw catalogFault(
      'idempotency_key_required',
      'Send Idempotency-Key, so that the request can be repeated without being carried out twice.',
    );
  }
  return { key, requestHash: hashOf(body) };
}

/** Of the body as it was understood: the order of members and what is left to defaults make no difference. */
function hashOf(body: object): string {
  return createHash('sha256').update(canonicalJson(body)).digest('base64url');
}

function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, item]) => `${JSON.stringify(name)}:${canonicalJson(item)}`).join(',')}}`;
}
