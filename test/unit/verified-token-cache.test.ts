import { expect, test } from 'vitest';
import { createKeySet, generateSigningKey, importSigningKey, signJwt, verifyJwt } from '../../platform/jwt.ts';
import { createVerifiedTokenCache } from '../../platform/verified-token-cache.ts';

function drivenClock(startMs: number) {
  let ms = startMs;
  return { now: () => new Date(ms), monotonicMs: () => ms, advance: (by: number) => (ms += by) };
}

const verified = (expiresAtMs: number, kid = 'k1', issuer = 'i') => ({ claims: {}, issuer, kid, expiresAtMs });

test('an entry is found until its token expires, not a moment longer', () => {
  const clock = drivenClock(1_000);
  const cache = createVerifiedTokenCache({ maxEntries: 10, clock });
  cache.set('a', verified(2_000));
  clock.advance(999);
  expect(cache.get('a')).toBeDefined();
  expect(cache.get('A')).toBeUndefined();
  clock.advance(1);
  expect(cache.get('a')).toBeUndefined();
  cache.set('a', verified(2_000));
  expect(cache.size).toBe(0);
});

test('the least recently used entry makes room', () => {
  const cache = createVerifiedTokenCache({ maxEntries: 2, clock: drivenClock(0) });
  for (const token of ['a', 'b']) cache.set(token, verified(9));
  cache.get('a');
  cache.set('c', verified(9));
  expect(['a', 'b', 'c'].map((token) => cache.get(token) !== undefined)).toEqual([true, false, true]);
  expect(cache.size).toBe(2);
});

test('J13 a retired key takes its tokens with it, another issuer’s key of the same id does not; clear takes all', () => {
  const cache = createVerifiedTokenCache({ maxEntries: 9, clock: drivenClock(0) });
  cache.set('a', verified(9, 'k1'));
  cache.set('b', verified(9, 'k2'));
  cache.set('c', verified(9, 'k1', 'other'));
  cache.retireKey('i', 'k1');
  expect(['a', 'b', 'c'].map((token) => cache.get(token) !== undefined)).toEqual([false, true, true]);
  cache.clear();
  expect(cache.size).toBe(0);
});

test('a hit costs a small part of a verification', async () => {
  const key = await importSigningKey((await generateSigningKey()).privateJwk);
  const keySet = await createKeySet([{ kid: key.kid, issuer: 'i', alg: 'EdDSA', jwk: key.publicJwk }]);
  const iat = Math.floor(Date.now() / 1_000);
  const options = { typ: 'at+jwt', issuer: 'i', audience: 'a', maxLifetimeSec: 900 };
  const tokens = await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      signJwt({ iss: 'i', aud: 'a', sub: `s${n}`, iat, exp: iat + 600 }, key, { typ: 'at+jwt' }),
    ),
  );
  const cache = createVerifiedTokenCache({
    maxEntries: 10_000,
    clock: { now: () => new Date(), monotonicMs: () => 0 },
  });
  const verifyStart = performance.now();
  for (const token of tokens) cache.set(token, await verifyJwt(token, keySet, options));
  const verifyUs = ((performance.now() - verifyStart) * 1_000) / tokens.length;
  // Fresh strings, as from a socket: their hash is not known yet.
  const asked = Array.from({ length: 50 }, () => tokens.map((token) => Buffer.from(token).toString('latin1'))).flat();
  const hitStart = performance.now();
  for (const token of asked) if (cache.get(token) === undefined) throw new Error('missed');
  const hitUs = ((performance.now() - hitStart) * 1_000) / asked.length;
  expect(verifyUs / hitUs).toBeGreaterThan(10);
});
