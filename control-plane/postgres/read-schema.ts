// Owns reading the schema of one database: one query, as its read-only login. Names of the database and its roles are written
// <database>, so that two databases of one version give the same; the fingerprint is a hash over all of it.
import { createHash } from 'node:crypto';
import type { DatabaseId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import type { LaneVersions } from '../../catalog/schema.ts';
import type { PostgresAddress } from '../../platform/postgres/address.ts';
import { openSession } from '../../platform/postgres/session.ts';
import { versionsOf } from '../migration-files/lane-hash.ts';
import { schemaQuery } from './schema-query.ts';

export type DatabaseSchema = {
  /** `kind object` → definition. */
  objects: Record<string, string>;
  fingerprint: string;
  /** By the ledger, read in the same moment. */
  lanes: LaneVersions;
};

/** Schemas read by another text than this one cannot be compared with ours. */
export const schemaQueryHash = createHash('sha256').update(schemaQuery).digest('hex');

export async function readSchema(
  addressOf: (id: DatabaseId, login: 'ro') => Promise<PostgresAddress>,
  id: DatabaseId,
  signal?: AbortSignal,
): Promise<DatabaseSchema> {
  const session = await openSession(await addressOf(id, 'ro'), { applicationName: 'freehold-drift', parameters });
  try {
    const options = { signal, timeoutMs: statementTimeoutMs + graceMs, bytesMax };
    const { rows } = await session.query<{ kind: string; object: string; definition: string }>(
      schemaQuery,
      [],
      options,
    );
    const { database } = namesOf(id);
    const found = rows.filter(({ kind }) => kind !== 'ledger');
    const lines = found.map(({ kind, object, definition }): [string, string] => [
      `${kind} ${object}`.replaceAll(database, '<database>'),
      definition.replaceAll(database, '<database>'),
    ]);
    const ledger = rows
      .filter(({ kind }) => kind === 'ledger')
      .map(({ object, definition: hash }) => {
        const space = object.indexOf(' ');
        return { lane: object.slice(0, space), name: object.slice(space + 1), hash };
      });
    const sorted = lines.sort(([a], [b]) => (a < b ? -1 : 1));
    const fingerprint = createHash('sha256').update(JSON.stringify(sorted)).digest('hex');
    return { objects: Object.fromEntries(sorted), fingerprint, lanes: versionsOf(ledger) };
  } finally {
    await session.close();
  }
}

/** Ten times what a schema of a thousand tables takes. */
const statementTimeoutMs = 10_000;
const graceMs = 2_000;
/** The functions of the largest schema seen are a hundredth of this. */
const bytesMax = 64 * 1_048_576;
const parameters = {
  statement_timeout: String(statementTimeoutMs),
  default_transaction_read_only: 'on',
  search_path: 'pg_catalog',
};
