// Owns API keys: made once and shown once, kept only as a keyed hash, found by id, believed by a comparison of constant time (A04).
// Revoking tells every process by NOTIFY freehold_keys; who missed it finds out by the age of what it remembers.
import { type Selectable, sql } from 'kysely';
import type { Sealer } from '../platform/sealing.ts';
import { newApiKeyText, parseApiKeyText } from './api-key-text.ts';
import { writeAudit } from './audit.ts';
import type { Caller } from './caller.ts';
import { catalogFault } from './errors.ts';
import type { ApiKeyId } from './ids.ts';
import type { CatalogDb, CatalogTx } from './open-catalog.ts';
import type { AdminRole } from './roles.ts';
import type { ApiKeysTable } from './schema.ts';

export type ApiKeyRow = Selectable<ApiKeysTable>;

/** The purpose of the MAC; the text under it is the whole key. */
const macPurpose = 'api-key';

/** @returns the row, and the key itself, which nothing can bring back later. */
export async function createApiKey(
  tx: CatalogTx,
  sealer: Sealer,
  input: { name: string; role: AdminRole; expiresAt: Date | null },
  caller: Caller,
): Promise<{ row: ApiKeyRow; text: string }> {
  const { id, text } = newApiKeyText();
  const row = await tx
    .insertInto('api_keys')
    .values({
      id,
      name: input.name,
      role: input.role,
      secret_mac: sealer.mac(macPurpose, text),
      created_by: caller.actor,
      expires_at: input.expiresAt,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  const detail = { name: input.name, role: input.role, expires_at: input.expiresAt?.toISOString() ?? null };
  await writeAudit(tx, caller, { action: 'api_key.create', targetType: 'api_key', targetId: id, detail });
  return { row, text };
}

export async function listApiKeys(
  db: CatalogDb,
  page: { after?: string | undefined; limit: number },
): Promise<ApiKeyRow[]> {
  let query = db.selectFrom('api_keys').selectAll().orderBy('id', 'desc').limit(page.limit);
  if (page.after !== undefined) query = query.where('id', '<', page.after as ApiKeyId);
  return await query.execute();
}

/** Revoking twice is no error. @throws Fault api_key_not_found; wrong_state for the last live key of an owner. */
export async function revokeApiKey(tx: CatalogTx, id: ApiKeyId, caller: Caller): Promise<ApiKeyRow> {
  // All owner keys are locked, so that two owners who revoke each other at once cannot leave none.
  const owners = await tx
    .selectFrom('api_keys')
    .select('id')
    .where('role', '=', 'owner')
    .where('revoked_at', 'is', null)
    .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', sql<Date>`now()`)]))
    .orderBy('id')
    .forUpdate()
    .execute();
  const row = await tx.selectFrom('api_keys').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
  if (row === undefined) throw catalogFault('api_key_not_found', 'There is no API key with this id.');
  if (row.revoked_at !== null) return row;
  if (owners.length === 1 && owners[0]?.id === id) {
    throw catalogFault('wrong_state', 'This is the last live key of an owner: create another one before revoking it.', {
      extra: { state: 'last_owner', possible: [] },
    });
  }
  const revoked = await tx
    .updateTable('api_keys')
    .set({ revoked_at: sql`now()` })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
  await writeAudit(tx, caller, { action: 'api_key.revoke', targetType: 'api_key', targetId: id });
  await sql`select pg_notify('freehold_keys', '')`.execute(tx);
  return revoked;
}

/**
 * The live key of this text, or undefined. A key that does not exist, a wrong secret, an expired and a revoked key take the same
 * way: one look-up by id and one comparison of constant time.
 */
export async function verifyApiKey(
  db: CatalogDb,
  sealer: Sealer,
  text: string,
  now: Date,
): Promise<ApiKeyRow | undefined> {
  const parsed = parseApiKeyText(text);
  if (parsed === undefined) return undefined;
  const row = await db.selectFrom('api_keys').selectAll().where('id', '=', parsed.id).executeTakeFirst();
  const genuine = sealer.verifyMac(macPurpose, text, row?.secret_mac ?? unknownKeyMac);
  return row !== undefined && genuine && isLive(row, now) ? row : undefined;
}

export function isLive(row: Pick<ApiKeyRow, 'revoked_at' | 'expires_at'>, now: Date): boolean {
  return row.revoked_at === null && (row.expires_at === null || row.expires_at > now);
}

/** At most one write a minute and key, so that a busy key does not make the catalog write at every request. */
export async function touchApiKey(db: CatalogDb, id: ApiKeyId): Promise<void> {
  await db
    .updateTable('api_keys')
    .set({ last_used_at: sql`now()` })
    .where('id', '=', id)
    .where((eb) =>
      eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<', sql<Date>`now() - interval '1 minute'`)]),
    )
    .execute();
}

/**
 * Makes sure that an owner key given by the operator exists: the way to the first sign-in. A key that was revoked stays revoked.
 * @throws TypeError when the text is not of the form of an API key.
 */
export async function ensureBootstrapKey(
  db: CatalogDb,
  sealer: Sealer,
  keyText: string,
): Promise<{ created: boolean }> {
  const parsed = parseApiKeyText(keyText);
  if (parsed === undefined)
    throw new TypeError('FREEHOLD_BOOTSTRAP_OWNER_KEY is not of the form fhk_<26 characters>_<43 characters>');
  const caller: Caller = { actor: 'system:bootstrap', role: 'system' };
  return await db.transaction().execute(async (tx) => {
    const inserted = await tx
      .insertInto('api_keys')
      .values({
        id: parsed.id,
        name: 'bootstrap',
        role: 'owner',
        secret_mac: sealer.mac(macPurpose, keyText),
        created_by: caller.actor,
      })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .returning('id')
      .executeTakeFirst();
    if (inserted === undefined) return { created: false };
    const detail = { name: 'bootstrap', role: 'owner' };
    await writeAudit(tx, caller, { action: 'api_key.create', targetType: 'api_key', targetId: parsed.id, detail });
    return { created: true };
  });
}

/** Of the right length and of no key: compared with where there is no row, so that the time tells nothing. */
const unknownKeyMac = 'A'.repeat(43);
