// Owns the text form of ids: 26 characters of Crockford base32 over the 128 bits of a UUIDv7, so that ids made later sort later.
import { randomFillSync } from 'node:crypto';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** 26 upper-case characters; the first 10 carry the time in milliseconds. */
export function newId26(nowMs: number = Date.now()): string {
  const bytes = new Uint8Array(16);
  randomFillSync(bytes);
  for (let i = 0, ms = nowMs; i < 6; i++) {
    bytes[5 - i] = ms % 256;
    ms = Math.floor(ms / 256);
  }
  bytes[6] = 0x70 | ((bytes[6] as number) & 0x0f); // version 7
  bytes[8] = 0x80 | ((bytes[8] as number) & 0x3f); // RFC 9562 variant
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  let text = '';
  for (let shift = 125n; shift >= 0n; shift -= 5n) text += alphabet[Number((bits >> shift) & 31n)];
  return text;
}

/** The form that `newId26` writes: 128 bits, so the first character is at most 7. */
export const id26Pattern = '[0-7][0-9A-HJKMNP-TV-Z]{25}';

/** When an id was made, in milliseconds since 1970: the first 10 characters hold the 48 bits of the time. */
export function timeOfId(id26: string): number {
  let high = 0n;
  for (const character of id26.slice(0, 10)) high = (high << 5n) | BigInt(alphabet.indexOf(character));
  return Number(high & 0xffffffffffffn);
}
