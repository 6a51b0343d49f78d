// Owns the few shapes of input that several resources share. Text of people is kept as it was written, without the characters
// that hide or reorder other text and without what PostgreSQL cannot store.
import { z } from '@hono/zod-openapi';
import { type Id, type IdKind, idPattern, idPrefixes } from '../../catalog/ids.ts';

/** Control characters (NUL among them), lone surrogates, and the marks that turn the direction of text. */
const hidden = /[\p{Cc}\p{Cs}\u202A-\u202E\u2066-\u2069]/u;

export function plainText(max: number) {
  return z
    .string()
    .min(1, 'must not be empty')
    .max(max, `must be at most ${max} characters`)
    .refine((text) => !hidden.test(text), 'must not contain control characters or marks of text direction')
    .refine((text) => text.trim() === text, 'must not begin or end with white space');
}

const labelKey = z
  .string()
  .regex(
    /^[a-z][a-z0-9_.-]{0,62}$/,
    'a label is named by a-z, 0-9, _ . - and begins with a letter, at most 63 characters',
  );
const labelsMax = 32;

export const labelsSchema = z
  .record(labelKey, plainText(200))
  .refine((labels) => Object.keys(labels).length <= labelsMax, `at most ${labelsMax} labels`)
  .openapi({ type: 'object', additionalProperties: { type: 'string' }, example: { team: 'blue' } });

/** `?label=team:blue`, repeated for more than one; all must match. */
export const labelFilter = z
  .union([z.string(), z.array(z.string()).max(8)])
  .transform((given, context) => {
    const labels: Record<string, string> = {};
    for (const text of [given].flat()) {
      const colon = text.indexOf(':');
      const key = labelKey.safeParse(text.slice(0, Math.max(colon, 0)));
      const value = plainText(200).safeParse(text.slice(colon + 1));
      if (!key.success || !value.success) {
        context.addIssue('must be of the form name:value');
        return z.NEVER;
      }
      labels[key.data] = value.data;
    }
    return labels;
  })
  .openapi({ type: 'array', items: { type: 'string' }, example: ['team:blue'] });

export const regionSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,31}$/, 'must be 2 to 32 characters: a-z, 0-9 and hyphens, beginning with a letter');
export const planIdSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,31}$/, 'must be 2 to 32 characters: a-z, 0-9 and hyphens, beginning with a letter');

/** An id in a path or a query. Parsed as it is, for the OpenAPI document wants the pattern. */
export function idParam<K extends IdKind>(kind: K) {
  return z
    .custom<Id<K>>(
      (text) => typeof text === 'string' && idPattern(kind).test(text),
      `must be an id of the form ${idPrefixes[kind]}_ and 26 characters`,
    )
    .openapi({ type: 'string', pattern: idPattern(kind).source });
}
