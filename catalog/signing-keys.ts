// Owns the keys that sign runtime tokens. One is active; the next one is published ahead, so that every runtime knows it before
// the first token bears it (J13); a retiring one is believed until the last token it signed has run out.
// The private part is sealed with the context 'signing-key/<kid>' and never leaves the control plane.
import type { JWK } from 'jose';
import { type Selectable, sql } from 'kysely';
import { generateSigningKey, importSigningKey, type SigningKey } from '../platform/jwt.ts';
import type { Sealer } from '../platform/sealing.ts';
import { writeAudit } from './audit.ts';
import type { Caller } from './caller.ts';
import { tokenLifetimeMaxSec } from './claims.ts';
import { catalogFault } from './errors.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
import type { SigningKeysTable } from './schema.ts';

export type SigningKeyRow = Omit<Selectable<SigningKeysTable>, 'private_sealed'>;

/** What clocks may differ by (R14) and what a runtime may take to hear of it. */
const retireMarginSec = 60;

/** The first active key and the one after it. Safe to call from several processes at once. */
export async function ensureSigningKeys(db: CatalogDb, sealer: Sealer, issuer: string): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await lockSigningKeys(tx);
    const own = await ownKeys(tx, issuer);
    if (!own.some((key) => key.state === 'active')) await insertKey(tx, sealer, issuer, 'active');
    if (!own.some((key) => key.state === 'next')) await insertKey(tx, sealer, issuer, 'next');
  });
}

/** Opens the active private key. @throws Fault signing_key_not_found when ensureSigningKeys has never run. */
export async function activeSigningKey(db: CatalogDb, sealer: Sealer, issuer: string): Promise<SigningKey> {
  const row = await db
    .selectFrom('signing_keys')
    .select(['kid', 'private_sealed'])
    .where('issuer', '=', issuer)
    .where('state', '=', 'active')
    .where('private_sealed', 'is not', null)
    .executeTakeFirst();
  if (row === undefined)
    throw catalogFault(
      'signing_key_not_found',
      'There is no active signing key: restart the control plane, it makes one.',
    );
  return await importSigningKey(JSON.parse(sealer.open(row.private_sealed as string, sealContext(row.kid))) as JWK);
}

export async function listSigningKeys(db: CatalogDb): Promise<SigningKeyRow[]> {
  return await db
    .selectFrom('signing_keys')
    .select(publicColumns)
    .orderBy('created_at', 'desc')
    .orderBy('kid')
    .execute();
}

/** The public keys of this issuer that a token may be signed with now or soon. */
export async function publishedKeys(db: CatalogDb, issuer: string): Promise<JWK[]> {
  const rows = await db
    .selectFrom('signing_keys')
    .select('public_jwk')
    .where('issuer', '=', issuer)
    .where('state', 'in', ['next', 'active', 'retiring'])
    .where((eb) => eb.or([eb('retires_at', 'is', null), eb('retires_at', '>', sql<Date>`now()`)]))
    .orderBy('created_at')
    .execute();
  return rows.map((row) => row.public_jwk as JWK);
}

/** next becomes active, active retires, a new next is published. @returns the key that signs from now on. */
export async function rotateSigningKeys(
  tx: CatalogTx,
  sealer: Sealer,
  issuer: string,
  caller: Caller,
): Promise<SigningKeyRow> {
  await lockSigningKeys(tx);
  await tx
    .updateTable('signing_keys')
    .set({
      state: 'retiring',
      retires_at: sql`now() + make_interval(secs => ${tokenLifetimeMaxSec + retireMarginSec})`,
    })
    .where('issuer', '=', issuer)
    .where('state', '=', 'active')
    .where('private_sealed', 'is not', null)
    .execute();
  const active = await promoteNext(tx, sealer, issuer);
  await writeAudit(tx, caller, { action: 'signing_key.rotate', targetType: 'signing_key', targetId: active.kid });
  return active;
}

/** Tokens signed with it are refused as soon as the runtimes hear of it. Revoking the active key makes the next one active. */
export async function revokeSigningKey(
  tx: CatalogTx,
  sealer: Sealer,
  kid: string,
  caller: Caller,
): Promise<SigningKeyRow> {
  await lockSigningKeys(tx);
  const row = await tx.selectFrom('signing_keys').selectAll().where('kid', '=', kid).forUpdate().executeTakeFirst();
  if (row === undefined) throw catalogFault('signing_key_not_found', 'There is no signing key with this key id.');
  const revoked = await tx
    .updateTable('signing_keys')
    .set({ state: 'revoked', private_sealed: null, retires_at: row.retires_at ?? sql`now()` })
    .where('kid', '=', kid)
    .returning(publicColumns)
    .executeTakeFirstOrThrow();
  if (row.state === 'revoked') return revoked;
  if (row.private_sealed !== null && row.state === 'active') await promoteNext(tx, sealer, row.issuer);
  if (row.private_sealed !== null && row.state === 'next') await insertKey(tx, sealer, row.issuer, 'next');
  const detail = { state_before: row.state };
  await writeAudit(tx, caller, { action: 'signing_key.revoke', targetType: 'signing_key', targetId: kid, detail });
  return revoked;
}

export interface SigningKeys {
  active(): Promise<SigningKey>;
  published(): Promise<JWK[]>;
  /** To be called at NOTIFY freehold_keys and when notifications may have been missed. */
  forget(): void;
}

/** The keys as this process remembers them: for at most `maxAgeMs`, because a notification can be lost. */
export function createSigningKeys(deps: {
  db: CatalogDb;
  sealer: Sealer;
  issuer: string;
  maxAgeMs?: number;
}): SigningKeys {
  const { db, sealer, issuer, maxAgeMs = 30_000 } = deps;
  let readAtMs = Number.NEGATIVE_INFINITY;
  let active: Promise<SigningKey> | undefined;
  let published: Promise<JWK[]> | undefined;
  const forget = () => {
    active = undefined;
    published = undefined;
  };
  const refresh = () => {
    if (performance.now() - readAtMs > maxAgeMs) forget();
    if (active === undefined && published === undefined) readAtMs = performance.now();
  };
  /** A failed read is not remembered. */
  const guarded = <T>(read: Promise<T>): Promise<T> => {
    read.catch(forget);
    return read;
  };
  return {
    active: () => {
      refresh();
      active ??= guarded(activeSigningKey(db, sealer, issuer));
      return active;
    },
    published: () => {
      refresh();
      published ??= guarded(publishedKeys(db, issuer));
      return published;
    },
    forget,
  };
}

const publicColumns = ['kid', 'issuer', 'alg', 'state', 'public_jwk', 'created_at', 'retires_at'] as const;

function sealContext(kid: string): string {
  return `signing-key/${kid}`;
}

/** One change of keys at a time in the whole installation; released at the end of the transaction. */
async function lockSigningKeys(tx: CatalogTx): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('freehold signing keys', 0))`.execute(tx);
}

async function ownKeys(tx: CatalogTx, issuer: string) {
  return await tx
    .selectFrom('signing_keys')
    .select(['kid', 'state'])
    .where('issuer', '=', issuer)
    .where('private_sealed', 'is not', null)
    .execute();
}

async function promoteNext(tx: CatalogTx, sealer: Sealer, issuer: string): Promise<SigningKeyRow> {
  const next = await tx
    .updateTable('signing_keys')
    .set({ state: 'active' })
    .where('issuer', '=', issuer)
    .where('state', '=', 'next')
    .where('private_sealed', 'is not', null)
    .returning(publicColumns)
    .executeTakeFirst();
  const active = next ?? (await insertKey(tx, sealer, issuer, 'active'));
  await insertKey(tx, sealer, issuer, 'next');
  return active;
}

async function insertKey(
  tx: CatalogTx,
  sealer: Sealer,
  issuer: string,
  state: 'active' | 'next',
): Promise<SigningKeyRow> {
  const { kid, privateJwk, publicJwk } = await generateSigningKey();
  return await tx
    .insertInto('signing_keys')
    .values({
      kid,
      issuer,
      alg: 'EdDSA',
      state,
      public_jwk: JSON.stringify(publicJwk),
      private_sealed: sealer.seal(JSON.stringify(privateJwk), sealContext(kid)),
    })
    .returning(publicColumns)
    .executeTakeFirstOrThrow();
}
