// Owns the slug of a tenant: one canonical form, refused rather than corrected, so that no two spellings mean one tenant (N01).
import { z } from 'zod';

/** Words that would be read as part of the system in a host name, a URL or a log line. */
const reserved = new Set(
  (
    'admin api app auth console control-plane default docs freehold health internal localhost login mail metrics nobody ' +
    'pg postgres public root runtime status support system template0 template1 test www'
  ).split(' '),
);

const pattern = /^[a-z][a-z0-9-]{1,61}[a-z0-9]$/;

/** 3 to 63 characters: lower-case ASCII letters, digits and single hyphens; fits a DNS label. */
export const slugSchema = z
  .string()
  .regex(pattern, 'must be 3 to 63 characters: a-z, 0-9 and hyphens, starting with a letter and not ending in a hyphen')
  .refine((slug) => !slug.includes('--'), 'must not contain two hyphens in a row (reserved for xn-- names)')
  .refine((slug) => !reserved.has(slug) && !slug.startsWith('pg-'), 'is a reserved word; choose another');
