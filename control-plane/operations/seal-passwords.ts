// Owns the passwords of a new database: one for each login, sealed for that database and that login alone.
import type { DatabaseId } from '../../catalog/ids.ts';
import { type Login, logins, secretContext } from '../../catalog/names.ts';
import { randomPassword } from '../../platform/postgres/scram.ts';
import type { Sealer } from '../../platform/sealing.ts';

export function sealPasswords(sealer: Sealer, id: DatabaseId): Record<Login, string> {
  const sealed = logins.map((login) => [login, sealer.seal(randomPassword(), secretContext(id, login))] as const);
  return Object.fromEntries(sealed) as Record<Login, string>;
}
