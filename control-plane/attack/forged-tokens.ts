// Owns forging tokens out of a good one: everything that can be made with the public keys and a key of one's own, without the
// private key of the installation. Pure but for the making of keys.
import { createHmac } from 'node:crypto';
import { CompactSign, exportJWK, generateKeyPair, type JWK } from 'jose';

export type Forgery = { readonly case: string; readonly what: string; readonly token: string };

/** @param keys the public keys, as the installation publishes them */
export async function forgeTokens(good: string, victimId: string, keys: readonly JWK[]): Promise<Forgery[]> {
  const [header, payload, signature] = good.split('.') as [string, string, string];
  const head = decoded(header);
  const claims = decoded(payload);
  const own = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  const ownJwk = await exportJWK(own.publicKey);
  const publicKey = keys.find((key) => key.kid === head.kid) ?? keys[0] ?? {};
  const with_ = (more: object, body = payload) => `${encoded({ ...head, ...more })}.${body}.${signature}`;
  const hmac = (secret: string) => {
    const signed = `${encoded({ ...head, alg: 'HS256' })}.${payload}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  };
  const signed = async (more: object, protectedMore: object = {}) =>
    new CompactSign(Buffer.from(JSON.stringify({ ...claims, ...more })))
      .setProtectedHeader({ ...head, alg: 'EdDSA', ...protectedMore })
      .sign(own.privateKey);
  const foreign = encoded({ ...claims, tid: victimId });
  const doubled = Buffer.from(payload, 'base64url').toString().replace('"tid":', `"tid":"${victimId}","tid":`);
  const now = Math.floor(Date.now() / 1000);
  return [
    forgery('J01', 'header with one letter changed', `${flipped(header)}.${payload}.${signature}`),
    forgery('J01', 'claims with one letter changed', `${header}.${flipped(payload)}.${signature}`),
    forgery('J01', 'signature with one letter changed', `${header}.${payload}.${flipped(signature)}`),
    forgery('J01', 'cut off', good.slice(0, -4)),
    forgery('J01', 'two segments', `${header}.${payload}`),
    forgery('J01', 'four segments', `${good}.${signature}`),
    forgery('J01', 'padded', `${good}=`),
    forgery('J01', '12 KB of letters', 'a'.repeat(12_000)),
    forgery('J02', 'alg none, no signature', `${encoded({ ...head, alg: 'none' })}.${payload}.`),
    forgery('J02', 'alg nOnE', with_({ alg: 'nOnE' })),
    forgery('J03', 'HS256 with the public key as secret', hmac(JSON.stringify(publicKey))),
    forgery('J03', 'HS256 with the point of the public key', hmac(String(publicKey.x ?? ''))),
    forgery('J03', 'another algorithm than the key has', with_({ alg: 'RS256' })),
    forgery('J04', 'kid that is a path', with_({ kid: '../../etc/passwd' })),
    forgery('J04', 'kid that is SQL', with_({ kid: "' or 1=1--" })),
    forgery('J04', 'kid of 7 KB', with_({ kid: 'k'.repeat(5_000) })),
    forgery('J04', 'no kid', with_({ kid: undefined })),
    forgery('J04', 'own key in the header', await signed({}, { jwk: ownJwk })),
    forgery('J04', 'own key under the kid of the installation', await signed({})),
    forgery('J04', 'key set elsewhere (jku)', with_({ jku: 'http://127.0.0.1:9/keys' })),
    forgery('J05', 'crit', with_({ crit: ['exp'] })),
    forgery('J05', 'payload that is not encoded', with_({ b64: false, crit: ['b64'] })),
    forgery('J06', 'audience of the admin API, own key', await signed({ aud: 'freehold-admin' })),
    forgery('J06', 'issuer with a slash, own key', await signed({ iss: `${String(claims.iss)}/` })),
    forgery('J07', 'good for ten years, own key', await signed({ exp: now + 315_360_000 })),
    forgery('J07', 'no end, own key', await signed({ exp: undefined })),
    forgery('J08', 'another type', with_({ typ: 'JWT' })),
    forgery('J09', 'the victim put into the claims', `${header}.${foreign}.${signature}`),
    forgery('J09', 'two tenants in the claims', `${header}.${encoded(doubled)}.${signature}`),
    forgery('J09', 'the victim, own key', await signed({ tid: victimId })),
    forgery('J09', 'tenant __proto__, own key', await signed({ tid: '__proto__' })),
    forgery('J12', 'an epoch to come, own key', await signed({ ep: 2_000_000_000 })),
  ];
}

function forgery(case_: string, what: string, token: string): Forgery {
  return { case: case_, what, token };
}

function encoded(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

function decoded(segment: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(segment, 'base64url').toString()) as Record<string, unknown>;
}

function flipped(text: string): string {
  const middle = Math.floor(text.length / 2);
  return `${text.slice(0, middle)}${text[middle] === 'A' ? 'B' : 'A'}${text.slice(middle + 1)}`;
}
