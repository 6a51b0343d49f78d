// Attacks on the token itself, before any tenant is looked up. Every one must end in the same Fault.
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSign,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
} from 'node:crypto';
import { CompactEncrypt, CompactSign, generateKeyPair, importPKCS8, type JWK } from 'jose';
import { beforeAll, expect, test } from 'vitest';
import { type Fault, isFault } from '../../platform/errors.ts';
import { bearerToken } from '../../platform/http/bearer.ts';
import { problemHeaders, problemOf } from '../../platform/http/problem.ts';
import {
  type Claims,
  createKeySet,
  generateSigningKey,
  importSigningKey,
  type KeySet,
  type SigningKey,
  signJwt,
  type VerifyOptions,
  verifyJwt,
} from '../../platform/jwt.ts';

const now = new Date('2026-03-01T12:00:00Z');
const nowSec = now.getTime() / 1000;
const options: VerifyOptions = {
  typ: 'at+jwt',
  issuer: 'https://control.test',
  audience: 'runtime',
  maxLifetimeSec: 900,
  now,
};
const claims: Claims = {
  iss: 'https://control.test',
  aud: 'runtime',
  sub: 'me',
  tid: 'tnt_1',
  iat: nowSec,
  exp: nowSec + 600,
};

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
let ours: SigningKey;
let stranger: SigningKey;
let keySet: KeySet;
const rawKeys = new Map<SigningKey, KeyObject>();

beforeAll(async () => {
  const [own, other] = [await generateSigningKey(), await generateSigningKey()];
  ours = await importSigningKey(own.privateJwk);
  stranger = await importSigningKey(other.privateJwk);
  rawKeys.set(ours, createPrivateKey({ key: own.privateJwk, format: 'jwk' }));
  rawKeys.set(stranger, createPrivateKey({ key: other.privateJwk, format: 'jwk' }));
  keySet = await createKeySet([
    { kid: ours.kid, issuer: 'https://control.test', alg: 'EdDSA', jwk: ours.publicJwk },
    { kid: 'rsa', issuer: 'https://login.test', alg: 'RS256', jwk: rsa.publicKey.export({ format: 'jwk' }) as JWK },
    { kid: 'ec', issuer: 'https://login.test', alg: 'ES256', jwk: ec.publicKey.export({ format: 'jwk' }) as JWK },
    { kid: 'staging', issuer: 'https://staging.test', alg: 'EdDSA', jwk: stranger.publicJwk },
  ]);
});

const b64 = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const good = () => signJwt(claims, ours, { typ: 'at+jwt' });
/** A token whose header and payload are exactly these texts, honestly signed with our key. */
function signedRaw(header: unknown, payload: unknown, key = ours): string {
  const input = `${b64(header)}.${b64(payload)}`;
  return `${input}.${signBytes(null, Buffer.from(input), rawKeys.get(key) as KeyObject).toString('base64url')}`;
}
const header = () => ({ alg: 'EdDSA', kid: ours.kid, typ: 'at+jwt' });

async function refusal(token: string, over: Partial<VerifyOptions> = {}): Promise<Fault> {
  try {
    await verifyJwt(token, keySet, { ...options, ...over });
  } catch (error) {
    if (isFault(error, 'token_invalid')) return error;
    throw error;
  }
  throw new Error(`accepted: ${token.slice(0, 200)}`);
}

/** All refused, each for the reason meant, and all with one and the same public answer. */
async function allRefused(
  tokens: readonly (readonly [string, string | Promise<string>])[],
  over: Partial<VerifyOptions> = {},
): Promise<void> {
  const answers = new Set<string>();
  for (const [reason, token] of tokens) {
    const fault = await refusal(await token, over);
    expect(fault.internal).toContain(reason);
    answers.add(JSON.stringify([problemOf(fault, 'r'), problemHeaders(fault)]));
  }
  expect([...answers]).toHaveLength(1);
  expect(JSON.parse([...answers][0] as string)).toMatchObject([
    { status: 401, code: 'token_invalid' },
    { 'www-authenticate': 'Bearer realm="freehold", error="invalid_token"' },
  ]);
}

test('a good token of each algorithm is believed and its claims come back', async () => {
  expect(await verifyJwt(await good(), keySet, options)).toEqual({
    claims,
    issuer: 'https://control.test',
    kid: ours.kid,
    expiresAtMs: (nowSec + 600) * 1000,
  });
  const external = { ...claims, iss: 'https://login.test' };
  for (const [alg, pair] of [
    ['RS256', rsa],
    ['ES256', ec],
  ] as const) {
    const key = await importPKCS8(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, alg);
    const token = await new CompactSign(Buffer.from(JSON.stringify(external)))
      .setProtectedHeader({ alg, kid: alg === 'RS256' ? 'rsa' : 'ec', typ: 'at+jwt' })
      .sign(key);
    const { claims: read } = await verifyJwt(token, keySet, {
      ...options,
      issuer: ['https://control.test', 'https://login.test'],
    });
    expect(read).toEqual(external);
    await refusal(token); // trusted keys, but this door does not take that issuer
  }
});

test('J01 any flipped bit, cut, extra segment or other spelling of base64 is refused', async () => {
  const token = await good();
  const bytes = Buffer.from(token);
  for (let i = 0; i < bytes.length; i++) {
    for (let bit = 0; bit < 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[i] = (flipped[i] as number) ^ (1 << bit);
      await refusal(flipped.toString('latin1'));
    }
  }
  for (let length = 0; length < token.length; length++) await refusal(token.slice(0, length));
  const [h, p, s] = token.split('.') as [string, string, string];
  await allRefused([
    ['three segments', `${token}.`],
    ['three segments', `${token}.x`],
    ['three segments', `.${token}`],
    ['three segments', '....................'],
    ['base64url', `${h}.${p}.${s}=`],
    ['base64url', `${h}.${p}.${s}==`],
    ['base64url', `${h}=.${p}.${s}`],
    ['base64url', `${h}.${p}.${Buffer.from(s, 'base64url').toString('base64')}`],
    ['base64url', `${h}.${p}.${s} `],
    ['base64url', `\n${h}.${p}.${s}`],
    [
      'base64url',
      `${h}.${p}.${s.slice(0, -1)}${s.endsWith('A') ? 'B' : `${String.fromCharCode(s.charCodeAt(s.length - 1) + 1)}`}`,
    ],
  ]);
});

test('J01 64 KiB of token is refused unread, in well under 5 ms', async () => {
  const token = `${b64(header())}.${b64({ ...claims, pad: 'x'.repeat(64 * 1024) })}.${'A'.repeat(86)}`;
  const startedMs = performance.now();
  for (let i = 0; i < 1_000; i++) await refusal(token);
  expect((performance.now() - startedMs) / 1_000).toBeLessThan(1);
  expect((await refusal(token)).internal).toBe('longer than 8 KiB');
});

test('J02 alg none in any spelling, with an empty or any signature', async () => {
  const spellings = ['none', 'None', 'nOnE', 'NONE', '', 'none\u0000'];
  await allRefused(
    spellings.flatMap((alg) => [
      ['base64url', `${b64({ ...header(), alg })}.${b64(claims)}.`] as const,
      ['alg is not', signedRaw({ ...header(), alg }, claims)] as const,
    ]),
  );
  await allRefused([['alg or no kid', signedRaw({ kid: ours.kid, typ: 'at+jwt' }, claims)]]);
});

test('J03 a public key used as HMAC secret, and an algorithm that is not the key’s own', async () => {
  const x = ours.publicJwk.x as string;
  const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' });
  const ourPem = pem(createPublicKey(rawKeys.get(ours) as KeyObject));
  const secrets = [
    JSON.stringify(ours.publicJwk),
    x,
    Buffer.from(x, 'base64url'),
    ourPem,
    pem(rsa.publicKey),
    pem(ec.publicKey),
  ];
  const hmac = (kid: string, secret: string | Buffer) => {
    const input = `${b64({ alg: 'HS256', kid, typ: 'at+jwt' })}.${b64({ ...claims, iss: kid === ours.kid ? claims.iss : 'https://login.test' })}`;
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
  };
  const issuer = ['https://control.test', 'https://login.test'];
  await allRefused(
    secrets.flatMap((secret) => [ours.kid, 'rsa', 'ec'].map((kid) => ['alg is not', hmac(kid, secret)] as const)),
    { issuer },
  );
  const rsaSigned = (alg: string, kid: string) => {
    const input = `${b64({ alg, kid, typ: 'at+jwt' })}.${b64({ ...claims, iss: 'https://login.test' })}`;
    return `${input}.${createSign('sha256').update(input).sign(rsa.privateKey, 'base64url')}`;
  };
  await allRefused(
    [
      ['alg is not', rsaSigned('ES256', 'rsa')],
      ['alg is not', rsaSigned('RS256', 'ec')],
      ['signature', rsaSigned('ES256', 'ec')],
      ['alg is not', rsaSigned('PS256', 'rsa')],
      ['alg is not', rsaSigned('RS512', 'rsa')],
    ],
    { issuer },
  );
  await allRefused([['alg is not', signedRaw({ ...header(), alg: 'Ed25519' }, claims)]]);
  await expect(
    createKeySet([{ kid: 'x', issuer: 'i', alg: 'HS256' as never, jwk: { kty: 'oct', k: 'AAAA' } }]),
  ).rejects.toThrow(TypeError);
  await expect(createKeySet([{ kid: 'x', issuer: 'i', alg: 'ES256', jwk: ours.publicJwk }])).rejects.toThrow(TypeError);
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }) as JWK;
  await expect(createKeySet([{ kid: 'x', issuer: 'i', alg: 'RS256', jwk: short }])).rejects.toThrow('2048');
});

test('J04 kid and key references of an attacker lead nowhere', async () => {
  const kids = ['../../etc/x', "' or 1=1--", '__proto__', 'constructor', 'toString', 'staging', 'rsa', `${ours.kid} `];
  await allRefused(kids.map((kid) => ['no such key', signedRaw({ ...header(), kid }, claims)] as const));
  await allRefused([
    ['longer than', signedRaw({ ...header(), kid: 'k'.repeat(10 * 1024) }, claims)],
    ['kid has no sane length', signedRaw({ ...header(), kid: 'k'.repeat(300) }, claims)],
    ['no sane length', signedRaw({ ...header(), kid: '' }, claims)],
    ['alg or no kid', signedRaw({ alg: 'EdDSA', typ: 'at+jwt' }, claims)],
    ['alg or no kid', signedRaw({ ...header(), kid: [ours.kid] }, claims)],
    ['signature', signedRaw(header(), claims, stranger)],
  ]);
  const references = {
    jku: 'https://evil.test/keys',
    x5u: 'https://evil.test/cert',
    jwk: stranger.publicJwk,
    x5c: ['MIIB'],
    x5t: 'x',
  };
  await allRefused(
    Object.entries(references).map(
      ([name, value]) => ['not allowed', signedRaw({ ...header(), [name]: value }, claims, stranger)] as const,
    ),
  );
});

test('J05 crit, b64, encrypted and nested tokens', async () => {
  const extra = [
    { crit: ['exp'] },
    { crit: [] },
    { b64: false },
    { b64: true, crit: ['b64'] },
    { cty: 'JWT' },
    { zip: 'DEF' },
    { enc: 'A256GCM' },
  ];
  await allRefused(extra.map((more) => ['not allowed', signedRaw({ ...header(), ...more }, claims)] as const));
  const { publicKey } = await generateKeyPair('RSA-OAEP-256');
  const jwe = await new CompactEncrypt(Buffer.from(await good()))
    .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM' })
    .encrypt(publicKey);
  await allRefused([
    ['three segments', jwe],
    ['strict JSON', signedRaw(header(), await good())],
    ['not an object', signedRaw(header(), JSON.stringify(await good()))],
  ]);
});

test('J06 audience and issuer must be exactly one exact text', async () => {
  const audiences = [
    undefined,
    [],
    'other',
    ['other', 'runtime'],
    ['runtime'],
    'Runtime',
    'runtime ',
    'runtime/',
    null,
    1,
    { runtime: true },
  ];
  await allRefused(audiences.map((aud) => ['aud is not', signedRaw(header(), { ...claims, aud })] as const));
  const issuers = [
    undefined,
    'https://control.test/',
    'https://Control.test',
    'HTTPS://control.test',
    '',
    null,
    ['https://control.test'],
    'https://login.test',
  ];
  await allRefused(issuers.map((iss) => ['iss is not', signedRaw(header(), { ...claims, iss })] as const));
});

test('J07 times that are missing, not whole numbers, too far or past', async () => {
  const signed = (over: Claims) => signedRaw(header(), { ...claims, ...over });
  await allRefused([
    ['exp or iat', signed({ exp: undefined })],
    ['exp or iat', signed({ iat: undefined })],
    ['exp or iat', signed({ exp: nowSec + 600.5 })],
    ['exp or iat', signed({ exp: String(nowSec + 600) })],
    ['exp or iat', signed({ exp: [nowSec + 600] })],
    ['exp or iat', signed({ iat: -1, exp: 5 })],
    ['strict JSON', signedRaw(header(), JSON.stringify(claims).replace(`"exp":${nowSec + 600}`, '"exp":Infinity'))],
    ['exp or iat', signedRaw(header(), JSON.stringify(claims).replace(`"exp":${nowSec + 600}`, '"exp":1e400'))],
    ['lives longer', signed({ exp: nowSec + 10 * 365 * 86_400 })],
    ['lives longer', signed({ exp: nowSec + 901 })],
    ['lives longer', signed({ exp: nowSec, iat: nowSec })],
    ['lives longer', signed({ exp: nowSec - 1, iat: nowSec })],
    ['iat is in the future', signed({ iat: nowSec + 31, exp: nowSec + 600 })],
    ['expired', signed({ iat: nowSec - 600, exp: nowSec - 30 })],
    ['nbf', signed({ nbf: nowSec + 31 })],
    ['nbf', signed({ nbf: 'soon' })],
    ['nbf', signed({ nbf: null })],
  ]);
});

test('J07 R14 clocks may differ by 30 s and no more, whatever the caller asks for', async () => {
  const accepted = [
    { iat: nowSec - 600, exp: nowSec - 29 },
    { iat: nowSec + 30 },
    { nbf: nowSec + 30 },
    { exp: nowSec + 900 },
  ];
  for (const over of accepted) await verifyJwt(signedRaw(header(), { ...claims, ...over }), keySet, options);
  await allRefused([['expired', signedRaw(header(), { ...claims, iat: nowSec - 600, exp: nowSec - 31 })]], {
    clockSkewSec: 86_400,
  });
  await allRefused([['expired', signedRaw(header(), { ...claims, iat: nowSec - 600, exp: nowSec - 1 })]], {
    clockSkewSec: 0,
  });
});

test('J08 a token made for another door: other typ, no typ', async () => {
  const { typ: _typ, ...untyped } = header();
  await allRefused([
    ['typ is not', signedRaw(untyped, claims)],
    ['typ is not', signJwt(claims, ours, { typ: 'admin+jwt' })],
    ['typ is not', signJwt(claims, ours, { typ: 'AT+JWT' })],
    ['typ is not', signJwt(claims, ours, { typ: 'application/at+jwt' })],
    ['typ is not', signJwt(claims, ours, { typ: 'JWT' })],
  ]);
  await allRefused([['aud is not', good()]], { audience: 'admin' });
});

test('J09 a claim or header member that is said twice', async () => {
  const text = JSON.stringify(claims);
  const twice = [
    text.replace('"tid":"tnt_1"', '"tid":"tnt_1","tid":"tnt_2"'),
    text.replace('"tid":"tnt_1"', '"tid":"tnt_1","\\u0074id":"tnt_1"'),
    text.replace('{', '{"__proto__":1,"__proto__":2,'),
    text.replace('"tid":"tnt_1"', '"x":{"a":1,"a":1}'),
  ];
  await allRefused(twice.map((payload) => ['payload is not strict', signedRaw(header(), payload)] as const));
  const h = JSON.stringify(header());
  await allRefused([
    ['header is not strict', signedRaw(h.replace('"alg"', '"alg":"none","alg"'), claims)],
    ['header is not strict', signedRaw(h.replace('"typ"', '"typ":"x","typ"'), claims)],
  ]);
});

test('J09 payloads that are no object, no UTF-8, or nested without end', async () => {
  const notUtf8 = Buffer.concat([
    Buffer.from('{"sub":"'),
    Buffer.from([0xc3, 0x28]),
    Buffer.from(`",${JSON.stringify(claims).slice(1)}`),
  ]);
  const raw = `${b64(header())}.${notUtf8.toString('base64url')}`;
  await allRefused([
    ['not an object', signedRaw(header(), '[]')],
    ['not an object', signedRaw(header(), 'null')],
    ['strict JSON', signedRaw(header(), '{}{}')],
    ['strict JSON', signedRaw(header(), `\ufeff${JSON.stringify(claims)}`)],
    ['strict JSON', signedRaw(header(), `{"a":${'['.repeat(100)}${']'.repeat(100)}}`)],
    ['strict JSON', `${raw}.${b64('x')}`],
  ]);
});

test('J14 verification needs the local key set only: nothing is ever fetched', async () => {
  const fetched: unknown[] = [];
  const real = globalThis.fetch;
  globalThis.fetch = async (...args) => {
    fetched.push(args);
    return real(...args);
  };
  try {
    for (let i = 0; i < 100; i++) await refusal(signedRaw({ ...header(), kid: `unknown-${i}` }, claims));
    await refusal(signedRaw({ ...header(), jku: 'http://127.0.0.1:9/keys' }, claims));
    await verifyJwt(await good(), keySet, options);
  } finally {
    globalThis.fetch = real;
  }
  expect(fetched).toEqual([]);
});

test('J15 only one Authorization header of the form Bearer and one token is read', () => {
  expect(bearerToken('Bearer abc.def-_~+/=')).toBe('abc.def-_~+/=');
  expect(bearerToken('bearer abc')).toBe('abc');
  const bad = [
    undefined,
    null,
    '',
    'Bearer',
    'Bearer ',
    'Bearer  abc',
    ' Bearer abc',
    'Bearer abc ',
    'Bearer\tabc',
    'Bearer abc, Bearer def',
    'Bearer abc,def',
    'Basic abc',
    'Basic abc, Bearer def',
    'Bearer abc def',
    'Bearer abc\r\n def',
    'Bearer ab=c',
    'Bearer äbc',
    'abc',
    `Bearer ${'a'.repeat(8 * 1024 + 1)}`,
  ];
  for (const header of bad) {
    expect(() => bearerToken(header), String(header)).toThrow(expect.objectContaining({ code: 'unauthenticated' }));
  }
});
