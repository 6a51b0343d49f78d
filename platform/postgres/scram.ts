// Owns the passwords of database roles: makes them, and turns them into SCRAM-SHA-256 verifiers in this process,
// so that a clear password never reaches SQL text, the server's log or pg_stat_statements.
import { createHash, createHmac, pbkdf2, pbkdf2Sync, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

/**
 * What PostgreSQL keeps in pg_authid (RFC 5802, RFC 7677): `ALTER ROLE x PASSWORD '<this>'` stores it as it is.
 * @param iterations stretching protects guessable secrets; ours have 256 random bits, so 256 iterations cost an attacker
 *   as little as 4096 would and the server 1.3 ms less at each CREATE ROLE and each login (LIMITS.md, 1).
 */
export function scramVerifier(password: string, iterations = 256, salt: Buffer = randomBytes(16)): string {
  // Outside printable ASCII, SASLprep would have to agree between all clients; nobody needs such a password here.
  if (!/^[\x21-\x7e]+$/.test(password)) throw new TypeError('a role password must be printable ASCII without spaces');
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest('base64');
  const serverKey = hmac(salted, 'Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}

/**
 * A digest of the key by which PostgreSQL knows this password under this salt: equal exactly for the same password.
 * Asynchronous: fsck makes thousands.
 */
export async function scramFingerprint(password: string, iterations: number, salt: string): Promise<string> {
  const salted = await pbkdf2Async(password, Buffer.from(salt, 'base64'), iterations, 32, 'sha256');
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest();
  return createHash('sha256').update(storedKey).digest('base64');
}

/** 256 random bits in 43 characters that need no quoting in a URL. */
export function randomPassword(): string {
  return randomBytes(32).toString('base64url');
}

const pbkdf2Async = promisify(pbkdf2);

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
