// Owns one reading statement in one tenant database: as its read-only login, in a read-only transaction, with a time limit and a
// limit of rows and bytes. The rights of the login are what keeps it from writing; whoever calls has parsed it as well.
import type { DatabaseId } from '../../catalog/ids.ts';
import { type ClusterAddress, openClusterSession } from './cluster-slots.ts';

export type ReadOnlyStatement = { text: string /** Can be fetched in part: SELECT and VALUES. */; fetchable: boolean };
export type ReadLimits = { timeoutMs: number; rowsMax: number; signal?: AbortSignal | undefined };
export type ReadColumn = {
  name: string /** As `integer`, or oid:<n> of a type that is not PostgreSQL's own. */;
  type: string;
};
export type ReadAnswer = { columns: ReadColumn[]; rows: (string | null)[][]; truncated: boolean };

export async function readOnce(
  addressOf: (id: DatabaseId, login: 'ro') => Promise<ClusterAddress>,
  id: DatabaseId,
  { text, fetchable }: ReadOnlyStatement,
  { timeoutMs, rowsMax, signal }: ReadLimits,
): Promise<ReadAnswer> {
  const address = await addressOf(id, 'ro');
  const parameters = { statement_timeout: String(timeoutMs), default_transaction_read_only: 'on' };
  const session = await openClusterSession(address, { applicationName: 'freehold-fleet-query', parameters });
  // The server's own limit counts for each statement; this one for all of them, and for a server that is silent.
  const options = { signal, timeoutMs: timeoutMs + graceMs, bytesMax };
  try {
    await session.begin({ readOnly: true });
    // On a line of its own: the text may end with a comment.
    if (fetchable) await session.queryRaw(`declare freehold_rows no scroll cursor for ${text}\n`, [], options);
    const answer = await session.queryRaw(
      fetchable ? `fetch forward ${rowsMax + 1} from freehold_rows` : text,
      [],
      options,
    );
    return {
      columns: answer.fields.map(({ name, typeOid }) => ({ name, type: typeNames.get(typeOid) ?? `oid:${typeOid}` })),
      rows: answer.rows.slice(0, rowsMax),
      truncated: answer.rows.length > rowsMax,
    };
  } finally {
    await session.close();
  }
}

const graceMs = 2_000;
/** Per tenant: an answer is held in memory until it is passed on. */
const bytesMax = 4 * 1_048_576;

/** The names that a reader branches on; the rest is text to them. */
const typeNames: ReadonlyMap<number, string> = new Map([
  [16, 'boolean'],
  [17, 'bytea'],
  [20, 'bigint'],
  [21, 'smallint'],
  [23, 'integer'],
  [25, 'text'],
  [114, 'json'],
  [700, 'real'],
  [701, 'double precision'],
  [1043, 'varchar'],
  [1082, 'date'],
  [1114, 'timestamp'],
  [1184, 'timestamptz'],
  [1700, 'numeric'],
  [2950, 'uuid'],
  [3802, 'jsonb'],
]);
