// Owns stored secrets: each is sealed with AES-256-GCM under a random data key, which is sealed under a key of ours named by id.
// A sealed text is bound to its context (whose secret it is), so one that is copied to another row does not open.
// Keys rotate: the current one seals, all known ones open; `needsReseal` finds what an older key still holds.
// Text form: v1.<key id>.<sealed data key>.<sealed secret>, both parts base64url of nonce (12), ciphertext, tag (16).
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { type FaultTable, faultsOf } from './errors.ts';

export const sealingFaults = {
  sealing_keys_invalid: {
    kind: 'internal',
    title: 'The sealing keys cannot be read',
    cause:
      'FREEHOLD_SEALING_KEYS is not of the form id:base64key[,id2:base64key2] with keys of 32 bytes and distinct ids.',
    check: 'Compare with the keys in your secret store; the first is the current one.',
    who: 'operator',
  },
  sealing_key_unknown: {
    kind: 'internal',
    title: 'A stored secret was sealed under a key this process does not have',
    cause:
      'A retired key was removed before everything sealed under it was resealed, or the catalog belongs to another installation.',
    check: 'Add the named key to FREEHOLD_SEALING_KEYS behind the current one.',
    who: 'operator',
  },
  sealed_text_damaged: {
    kind: 'internal',
    title: 'A stored secret does not open',
    cause:
      'The text was altered, or it was sealed for another resource (copied from another row), or its key id is reused for a different key.',
    check: 'Compare the row with a backup; look in the audit for who wrote it.',
    who: 'operator',
  },
} as const satisfies FaultTable;

const fault = faultsOf(sealingFaults);

export type SealingKey = { readonly id: string; readonly key: Uint8Array };

export interface Sealer {
  readonly currentKeyId: string;
  /** `context` names whose secret it is, for example `dbs_…/app_a`; the same text is needed to open it. */
  seal(plain: string, context: string): string;
  open(sealed: string, context: string): string;
  needsReseal(sealed: string): boolean;
  /** Opens and seals again under the current key. */
  reseal(sealed: string, context: string): string;
  /** HMAC-SHA256 in base64url, with a key of its own for each purpose. */
  mac(purpose: string, text: string): string;
  /** The same under every known key, the current one first: for a reader that keeps what it was once given. */
  macs(purpose: string, text: string): string[];
  /** True for a MAC made under any known key; takes the same time whatever the MAC. */
  verifyMac(purpose: string, text: string, mac: string): boolean;
}

export function createSealer({ keys, currentKeyId }: { keys: readonly SealingKey[]; currentKeyId: string }): Sealer {
  const byId = checkedKeys(keys);
  const current = byId.get(currentKeyId);
  if (current === undefined)
    throw fault('sealing_keys_invalid', `There is no sealing key with the current id ${currentKeyId}.`);
  const macKeys = new Map<string, Uint8Array>();

  const keyFor = (id: string): Uint8Array => {
    const key = byId.get(id);
    if (key === undefined)
      throw fault('sealing_key_unknown', 'A stored secret cannot be opened with the configured sealing keys.', {
        internal: `sealing key id ${id}`,
      });
    return key;
  };
  const macKey = (keyId: string, purpose: string): Uint8Array => {
    const name = `${keyId}/${purpose}`;
    const known = macKeys.get(name);
    if (known !== undefined) return known;
    const derived = new Uint8Array(hkdfSync('sha256', keyFor(keyId), '', `freehold mac ${purpose}`, 32));
    macKeys.set(name, derived); // purposes are constants of the code, so the map stays small
    return derived;
  };
  const macUnder = (keyId: string, purpose: string, text: string) =>
    createHmac('sha256', macKey(keyId, purpose)).update(text).digest();

  const seal = (plain: string, context: string): string => {
    const bound = aad(currentKeyId, context);
    const dataKey = randomBytes(32);
    const wrapped = encrypt(current, dataKey, bound);
    const body = encrypt(dataKey, Buffer.from(plain, 'utf8'), bound);
    return `v1.${currentKeyId}.${wrapped.toString('base64url')}.${body.toString('base64url')}`;
  };
  const open = (sealed: string, context: string): string => {
    const { keyId, wrapped, body } = parts(sealed);
    const bound = aad(keyId, context);
    const wrappingKey = keyFor(keyId);
    try {
      return decrypt(decrypt(wrappingKey, wrapped, bound), body, bound).toString('utf8');
    } catch (cause) {
      throw damaged(`sealed text under key ${keyId} does not open for context ${context}`, cause);
    }
  };

  return {
    currentKeyId,
    seal,
    open,
    needsReseal: (sealed) => parts(sealed).keyId !== currentKeyId,
    reseal: (sealed, context) => seal(open(sealed, context), context),
    mac: (purpose, text) => macUnder(currentKeyId, purpose, text).toString('base64url'),
    macs: (purpose, text) => {
      const keyIds = [currentKeyId, ...[...byId.keys()].filter((keyId) => keyId !== currentKeyId)];
      return keyIds.map((keyId) => macUnder(keyId, purpose, text).toString('base64url'));
    },
    verifyMac(purpose, text, mac) {
      const given = Buffer.from(mac, 'base64url');
      let good = false;
      for (const keyId of byId.keys()) {
        const expected = macUnder(keyId, purpose, text);
        const same = timingSafeEqual(
          expected,
          given.length === expected.length ? given : Buffer.alloc(expected.length),
        );
        good = (same && given.length === expected.length && given.toString('base64url') === mac) || good;
      }
      return good;
    },
  };
}

/** Reads `id:base64key[,id2:base64key2]`; the first key is the current one. */
export function parseSealingKeys(text: string): { keys: SealingKey[]; currentKeyId: string } {
  const keys = text.split(',').map((item) => {
    const [id = '', encoded = '', ...rest] = item.trim().split(':');
    if (rest.length > 0 || encoded === '')
      throw fault('sealing_keys_invalid', 'A sealing key must be written as id:base64key.');
    return { id, key: new Uint8Array(Buffer.from(encoded, 'base64')) };
  });
  checkedKeys(keys);
  return { keys, currentKeyId: (keys[0] as SealingKey).id };
}

/** One new key in the form that parseSealingKeys reads. Whoever writes it to a file makes that file 0600. */
export function generateSealingKey(id = `k${new Date().toISOString().slice(0, 10).replaceAll('-', '')}`): string {
  return `${id}:${randomBytes(32).toString('base64')}`;
}

function checkedKeys(keys: readonly SealingKey[]): ReadonlyMap<string, Uint8Array> {
  const byId = new Map<string, Uint8Array>();
  for (const { id, key } of keys) {
    if (!/^[A-Za-z0-9_-]{1,32}$/.test(id))
      throw fault('sealing_keys_invalid', 'A sealing key id must be 1 to 32 letters, digits, "-" or "_".');
    if (key.length !== 32)
      throw fault('sealing_keys_invalid', `The sealing key ${id} must have 32 bytes, it has ${key.length}.`);
    if (byId.has(id)) throw fault('sealing_keys_invalid', `The sealing key id ${id} is used twice.`);
    byId.set(id, key);
  }
  if (byId.size === 0) throw fault('sealing_keys_invalid', 'At least one sealing key is needed.');
  return byId;
}

function parts(sealed: string): { keyId: string; wrapped: Buffer; body: Buffer } {
  const [version, keyId, wrapped, body, ...rest] = sealed.split('.');
  if (version !== 'v1' || !keyId || !wrapped || !body || rest.length > 0)
    throw damaged('not of the form v1.<key id>.<data key>.<secret>');
  return { keyId, wrapped: Buffer.from(wrapped, 'base64url'), body: Buffer.from(body, 'base64url') };
}

function damaged(internal: string, cause?: unknown) {
  return fault('sealed_text_damaged', 'A stored secret cannot be opened.', { internal, cause });
}

/** Lengths first, so that no two pairs of key id and context make the same bytes. */
function aad(keyId: string, context: string): Buffer {
  return Buffer.from(`freehold sealed v1 ${keyId.length} ${keyId} ${context}`, 'utf8');
}

function encrypt(key: Uint8Array, plain: Uint8Array, bound: Uint8Array): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(bound);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Uint8Array, sealed: Uint8Array, bound: Uint8Array): Buffer {
  if (sealed.length < 28) throw new Error('too short');
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), { authTagLength: 16 });
  decipher.setAAD(bound);
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
}
