import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isFault } from '../../platform/errors.ts';
import { createSealer, generateSealingKey, parseSealingKeys } from '../../platform/sealing.ts';

const codeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    if (isFault(error)) return error.code;
    throw error;
  }
  return 'none';
};

const oldKey = { id: 'old', key: new Uint8Array(randomBytes(32)) };
const newKey = { id: 'new', key: new Uint8Array(randomBytes(32)) };
const before = createSealer({ keys: [oldKey], currentKeyId: 'old' });
const during = createSealer({ keys: [newKey, oldKey], currentKeyId: 'new' });
const after = createSealer({ keys: [newKey], currentKeyId: 'new' });

test('any text opens in its own context and in no other', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), fc.string(), (plain, context, other) => {
      const sealed = before.seal(plain, context);
      expect(before.open(sealed, context)).toBe(Buffer.from(plain).toString());
      expect(sealed).toMatch(/^v1\.old\.[\w-]{80}\.[\w-]+$/);
      if (other !== context) expect(codeOf(() => before.open(sealed, other))).toBe('sealed_text_damaged');
    }),
    { numRuns: 200 },
  );
});

test('the same secret sealed twice gives two texts', () => {
  expect(before.seal('s', 'c')).not.toBe(before.seal('s', 'c'));
});

test('every altered character is noticed', () => {
  const sealed = before.seal('secret', 'dbs_1/app_a');
  for (let i = 0; i < sealed.length; i++) {
    const altered = sealed.slice(0, i) + (sealed[i] === 'A' ? 'B' : 'A') + sealed.slice(i + 1);
    // The last character of a part may carry bits that no byte uses; then the bytes, and so the secret, are the same.
    if (sameBytes(altered, sealed)) continue;
    expect(['sealed_text_damaged', 'sealing_key_unknown'], `character ${i}`).toContain(
      codeOf(() => before.open(altered, 'dbs_1/app_a')),
    );
  }
  for (const text of ['', 'v1', 'v2.old.x.y', 'v1.old.x', `${sealed}.x`, 'v1.old.AA.AA'])
    expect(codeOf(() => before.open(text, 'c'))).toBe('sealed_text_damaged');
});

test('keys rotate: old texts open, are found, resealed, and then the old key can go', () => {
  const sealed = before.seal('secret', 'c');
  expect(during.needsReseal(sealed)).toBe(true);
  const resealed = during.reseal(sealed, 'c');
  expect(during.needsReseal(resealed)).toBe(false);
  expect(after.open(resealed, 'c')).toBe('secret');
  expect(codeOf(() => after.open(sealed, 'c'))).toBe('sealing_key_unknown');
});

test('a MAC holds for its purpose and text only, and survives a rotation', () => {
  const mac = before.mac('cursor', 'text');
  expect(before.verifyMac('cursor', 'text', mac)).toBe(true);
  expect(during.verifyMac('cursor', 'text', mac)).toBe(true);
  expect(after.verifyMac('cursor', 'text', mac)).toBe(false);
  expect(before.verifyMac('api key', 'text', mac)).toBe(false);
  expect(before.verifyMac('cursor', 'other', mac)).toBe(false);
  for (const bad of ['', 'x', `${mac}=`, `${mac}A`, mac.slice(1)])
    expect(before.verifyMac('cursor', 'text', bad)).toBe(false);
});

test('keys are read from the form id:base64key, the first is current', () => {
  const made = generateSealingKey('k2');
  const parsed = parseSealingKeys(`${made}, ${generateSealingKey('k1')}`);
  expect(parsed.currentKeyId).toBe('k2');
  expect(parsed.keys.map((k) => [k.id, k.key.length])).toEqual([
    ['k2', 32],
    ['k1', 32],
  ]);
  for (const text of ['', 'k1', 'k1:', 'k1:AAAA', `${made},${made}`, `a b:${made.slice(3)}`, `${made}:x`]) {
    expect(
      codeOf(() => parseSealingKeys(text)),
      text,
    ).toBe('sealing_keys_invalid');
  }
  expect(codeOf(() => createSealer({ keys: [oldKey], currentKeyId: 'new' }))).toBe('sealing_keys_invalid');
});

function sameBytes(a: string, b: string): boolean {
  const bytes = (text: string) =>
    text
      .split('.')
      .map((part, i) => (i < 2 ? part : Buffer.from(part, 'base64url').toString('hex')))
      .join('.');
  return bytes(a) === bytes(b);
}
