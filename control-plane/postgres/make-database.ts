// Owns the two ways in which a database comes to be on a cluster: from the cluster's template, or as a copy of another one to rehearse
// in. Run by the provisioner while the owner's role is lent to it.
import type { DatabaseId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import { isUniqueViolation, PostgresError } from '../../platform/postgres/errors.ts';
import type { Session } from '../../platform/postgres/session.ts';
import { copyFault } from './cluster-faults.ts';
import { templateDatabase } from './cluster-names.ts';

/** `bytes`: all of its files. */
export type SourceLook = { open: boolean; sessions: number; bytes: number };
export type CopyOptions = {
  bytes: number;
  /** Nobody gets a new session in the source meanwhile: the server makes them wait. Null: as long as it takes. */
  timeoutMs: number | null;
  signal?: AbortSignal | undefined;
};

/**
 * WAL_LOG copies through the write-ahead log: 25 ms against 57 ms for FILE_COPY, and no forced checkpoint that every
 * tenant of the server would feel (LIMITS.md, 1). Its cost comes with the next checkpoint; a template of 8 MB is small.
 */
export async function createUnlessThere(session: Session, id: DatabaseId): Promise<void> {
  const { database, owner } = namesOf(id);
  try {
    await session.query(
      `create database ${database} template ${templateDatabase} owner ${owner} allow_connections false strategy wal_log`,
    );
  } catch (error) {
    // Two at once: the loser sees a duplicate key, not "already exists" (P05). Whose it is, finish_database checks.
    const lost =
      isUniqueViolation(error, 'pg_database_datname_index') ||
      (error instanceof PostgresError && /^(42P04|42710)$/.test(error.sqlstate));
    if (!lost) throw error;
  }
}

/** Beyond it two checkpoints are a smaller load on the neighbours, and on every standby, than all of its pages in the log. */
const walLogBytesMax = 1024 ** 3;

/**
 * A copy that is given up leaves nothing: the server removes its files.
 * @throws Fault clone_source_in_use where somebody is in the source, or after the time
 */
export async function copyDatabase(
  session: Session,
  id: DatabaseId,
  source: DatabaseId,
  { bytes, timeoutMs, signal }: CopyOptions,
): Promise<void> {
  const { database, owner } = namesOf(id);
  const strategy = bytes > walLogBytesMax ? 'file_copy' : 'wal_log';
  const template = namesOf(source).database;
  if (timeoutMs !== null) await session.query(`set statement_timeout = ${Math.trunc(timeoutMs)}`);
  try {
    await session.query(
      `create database ${database} template ${template} owner ${owner} allow_connections false strategy ${strategy}`,
      [],
      { signal },
    );
  } catch (error) {
    throw copyFault(error);
  } finally {
    if (timeoutMs !== null && session.usable) await session.query('reset statement_timeout');
  }
}
