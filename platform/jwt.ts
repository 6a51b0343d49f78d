// Owns signed tokens: making them (Ed25519) and believing them (RFC 8725, stricter where that costs nothing).
// Keys are local and handed in; nothing here ever fetches. A token that is not believed gives one Fault, the same
// for every reason; the reason is in `internal`. What the claims mean is for the caller's schema to say.
import {
  CompactSign,
  type CryptoKey,
  calculateJwkThumbprint,
  compactVerify,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose';
import { type FaultTable, faultsOf } from './errors.ts';
import { parseStrictJson } from './strict-json.ts';

export const jwtFaults = {
  token_invalid: {
    kind: 'unauthenticated',
    title: 'The token is not acceptable here',
    cause:
      'It is malformed, expired, made for another audience, of another kind, or signed by a key this server does not trust. The log has the reason under the request id.',
    check: 'Mint a new token for this audience and compare the clocks of both machines.',
    who: 'client',
  },
} as const satisfies FaultTable;

const fault = faultsOf(jwtFaults);

/** Never a symmetric one: a server that can verify with it could also sign with it. */
export type JwtAlg = 'EdDSA' | 'ES256' | 'RS256';

export type SigningKey = { readonly kid: string; readonly privateKey: CryptoKey; readonly publicJwk: JWK };
export type TrustedKeySpec = { readonly kid: string; readonly issuer: string; readonly alg: JwtAlg; readonly jwk: JWK };
type TrustedKey = { readonly alg: JwtAlg; readonly key: CryptoKey };

export interface KeySet {
  find(issuer: string, kid: string): TrustedKey | undefined;
  readonly size: number;
}

export type VerifyOptions = {
  readonly typ: string;
  /** Exact texts; a token must come from one of them. */
  readonly issuer: string | readonly string[];
  readonly audience: string;
  readonly maxLifetimeSec: number;
  /** At most 30 s, which is also the default. */
  readonly clockSkewSec?: number;
  readonly now?: Date;
};

export type Claims = Record<string, unknown>;
export type VerifiedToken = { claims: Claims; issuer: string; kid: string; expiresAtMs: number };

/** Ours are 300 bytes and those of large identity providers 2 to 4 KiB. Node's own bound for all headers is 16 KiB. */
export const tokenBytesMax = 8 * 1024;
const clockSkewSecMax = 30;

/** Claims are signed exactly as given; the caller sets iss, aud, iat and exp. */
export async function signJwt(claims: Claims, key: SigningKey, options: { typ: string }): Promise<string> {
  const payload = new TextEncoder().encode(JSON.stringify(claims));
  return await new CompactSign(payload)
    .setProtectedHeader({ alg: 'EdDSA', kid: key.kid, typ: options.typ })
    .sign(key.privateKey);
}

/** Throws Fault token_invalid. About 100 µs, nearly all of it the signature. */
export async function verifyJwt(token: string, keySet: KeySet, options: VerifyOptions): Promise<VerifiedToken> {
  if (token.length > tokenBytesMax) throw refused('longer than 8 KiB');
  const segments = token.split('.', 4);
  if (segments.length !== 3) throw refused('not three segments');
  const [headerText, payloadText, signatureText] = segments as [string, string, string];
  const header = jsonSegment(headerText, 'header');
  const claims = jsonSegment(payloadText, 'payload');
  bytesOf(signatureText, 'signature');
  const { alg, kid } = checkHeader(header, options.typ);
  const issuer = checkIssuer(claims, options.issuer);
  const key = keySet.find(issuer, kid);
  if (key === undefined) throw refused('no such key for this issuer');
  if (key.alg !== alg) throw refused('alg is not the one of the key');
  try {
    await compactVerify(token, key.key, { algorithms: [key.alg] });
  } catch (cause) {
    throw refused('signature does not verify', cause);
  }
  const expiresAtMs = checkAudienceAndTimes(claims, options);
  return { claims, issuer, kid, expiresAtMs };
}

export async function generateSigningKey(): Promise<{ privateJwk: JWK; publicJwk: JWK; kid: string }> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  const privateJwk = await exportJWK(privateKey);
  const kid = await calculateJwkThumbprint(privateJwk); // RFC 7638: the same key has the same id everywhere
  return {
    privateJwk: { ...privateJwk, kid, alg: 'EdDSA' },
    publicJwk: { ...publicMembers(privateJwk), kid, alg: 'EdDSA', use: 'sig' },
    kid,
  };
}

export async function importSigningKey(privateJwk: JWK): Promise<SigningKey> {
  if (privateJwk.kty !== 'OKP' || privateJwk.crv !== 'Ed25519' || privateJwk.d === undefined)
    throw new TypeError('A signing key must be a private Ed25519 JWK.');
  const kid = privateJwk.kid ?? (await calculateJwkThumbprint(privateJwk));
  const privateKey = (await importJWK(
    { kty: 'OKP', crv: 'Ed25519', x: privateJwk.x as string, d: privateJwk.d },
    'EdDSA',
  )) as CryptoKey;
  return { kid, privateKey, publicJwk: { ...publicMembers(privateJwk), kid, alg: 'EdDSA', use: 'sig' } };
}

/** Throws TypeError for a key that does not fit its algorithm, is private or is symmetric: an operator's mistake, not a client's. */
export async function createKeySet(specs: readonly TrustedKeySpec[]): Promise<KeySet> {
  const byIssuer = new Map<string, Map<string, TrustedKey>>();
  for (const { kid, issuer, alg, jwk } of specs) {
    if (!keyFits(alg, jwk)) throw new TypeError(`The key ${kid} of ${issuer} is not a public key for ${alg}.`);
    const key = (await importJWK(publicMembers(jwk), alg)) as CryptoKey;
    if (alg === 'RS256' && (key.algorithm as unknown as { modulusLength: number }).modulusLength < 2048)
      throw new TypeError(`The key ${kid} of ${issuer} is shorter than 2048 bits.`);
    const keys = byIssuer.get(issuer) ?? new Map<string, TrustedKey>();
    if (keys.has(kid)) throw new TypeError(`The key id ${kid} of ${issuer} is used twice.`);
    byIssuer.set(issuer, keys.set(kid, { alg, key }));
  }
  return { size: specs.length, find: (issuer, kid) => byIssuer.get(issuer)?.get(kid) };
}

function refused(reason: string, cause?: unknown) {
  return fault('token_invalid', 'The token is not acceptable: mint a new one for this audience.', {
    internal: reason,
    cause,
  });
}

/** Strict base64url: one text for one sequence of bytes, so no padding, no other alphabet, no stray bits at the end. */
function bytesOf(segment: string, what: string): Buffer {
  const bytes = Buffer.from(segment, 'base64url');
  if (bytes.length === 0 || bytes.toString('base64url') !== segment) throw refused(`${what} is not strict base64url`);
  return bytes;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function jsonSegment(segment: string, what: string): Claims {
  let value: unknown;
  const bytes = bytesOf(segment, what);
  try {
    value = parseStrictJson(utf8.decode(bytes), { maxDepth: 8 });
  } catch (cause) {
    throw refused(`${what} is not strict JSON`, cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused(`${what} is not an object`);
  return value as Claims;
}

/** alg, kid, typ and nothing else: crit, b64, jku, x5u, jwk, x5c, cty and whatever comes next all change what a token means. */
function checkHeader(header: Claims, typ: string): { alg: string; kid: string } {
  for (const name of Object.keys(header))
    if (name !== 'alg' && name !== 'kid' && name !== 'typ') throw refused('header has a member that is not allowed');
  if (typeof header.alg !== 'string' || typeof header.kid !== 'string') throw refused('header has no alg or no kid');
  if (header.kid.length === 0 || header.kid.length > 256) throw refused('kid has no sane length');
  if (header.typ !== typ) throw refused(`typ is not ${typ}`);
  return { alg: header.alg, kid: header.kid };
}

function checkIssuer(claims: Claims, allowed: string | readonly string[]): string {
  const { iss } = claims;
  if (typeof iss !== 'string' || !(typeof allowed === 'string' ? iss === allowed : allowed.includes(iss)))
    throw refused('iss is not trusted');
  return iss;
}

function checkAudienceAndTimes(claims: Claims, options: VerifyOptions): number {
  const skew = Math.min(options.clockSkewSec ?? clockSkewSecMax, clockSkewSecMax);
  const now = Math.floor((options.now ?? new Date()).getTime() / 1000);
  const { aud, exp, iat, nbf } = claims;
  if (typeof aud !== 'string' || aud !== options.audience) throw refused('aud is not this server');
  if (!isTime(exp) || !isTime(iat)) throw refused('exp or iat is missing or not a whole number');
  if (exp <= iat || exp - iat > options.maxLifetimeSec) throw refused('lives longer than allowed');
  if (iat > now + skew) throw refused('iat is in the future');
  if (exp <= now - skew) throw refused('expired');
  if (nbf !== undefined && (!isTime(nbf) || nbf > now + skew))
    throw refused('nbf is in the future or not a whole number');
  return exp * 1000;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

function keyFits(alg: JwtAlg, jwk: JWK): boolean {
  if (jwk.d !== undefined || jwk.k !== undefined) return false;
  if (alg === 'EdDSA') return jwk.kty === 'OKP' && jwk.crv === 'Ed25519';
  if (alg === 'ES256') return jwk.kty === 'EC' && jwk.crv === 'P-256';
  return alg === 'RS256' && jwk.kty === 'RSA';
}

function publicMembers(jwk: JWK): JWK {
  const { kty, crv, x, y, n, e } = jwk;
  return Object.fromEntries(Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined)) as JWK;
}
