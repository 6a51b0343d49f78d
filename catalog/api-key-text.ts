// Owns the text of an API key: fhk_<26 characters of its id>_<43 characters of secret>. The prefix lets secret scanners find it,
// the id lets us look it up without a scan, the secret is 256 random bits.
import { randomBytes } from 'node:crypto';
import { id26Pattern } from '../platform/crockford.ts';
import { type ApiKeyId, newId } from './ids.ts';

const pattern = new RegExp(`^fhk_(${id26Pattern})_([A-Za-z0-9_-]{43})$`);

export function newApiKeyText(): { id: ApiKeyId; secret: string; text: string } {
  const id = newId('apiKey');
  const secret = randomBytes(32).toString('base64url');
  return { id, secret, text: `fhk_${id.slice(4)}_${secret}` };
}

/** Undefined when the text is not of the form of an API key. */
export function parseApiKeyText(text: string): { id: ApiKeyId; secret: string } | undefined {
  const match = pattern.exec(text);
  return match === null ? undefined : { id: `key_${match[1]}`, secret: match[2] as string };
}
