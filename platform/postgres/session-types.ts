// Owns the face of a session: what a borrower may ask of it, and what it promises in return.
import type { ConnectionLostError, PostgresError } from './errors.ts';
import type { TransactionStatus } from './wire-peek.ts';

export type Notice = { severity?: string; code?: string; message?: string };

/**
 * What makes a session safe whose every transaction may run in another backend, and in one that somebody else has just used:
 * begin() brings the backend to its first state, sets `parameters` for the transaction and asks `check`, all in its one message;
 * no statement is prepared by name.
 */
export type BehindPooler = {
  /** One statement that fails unless the backend is the one that is meant. */
  check: string;
  /** What begin() throws when it has failed. */
  mismatch(error: PostgresError): Error;
};

export type SessionSettings = {
  applicationName: string;
  /** From the first SYN to the first answer. Default 5 s: a server that needs longer is not able to serve. */
  connectTimeoutMs?: number;
  /** Server settings of the session, such as statement_timeout. RESET ALL returns to them. Names are ours. */
  parameters?: Record<string, string>;
  /** Set where a pooler in transaction mode stands in between. */
  pooler?: BehindPooler;
  /** False where the role may not execute pg_advisory_unlock_all, and so none of the functions that lock. Default true. */
  advisoryLocks?: boolean;
  onNotice?: (notice: Notice) => void;
  onNotify?: (channel: string, payload: string) => void;
};

export type QueryOptions = {
  signal?: AbortSignal | undefined;
  /** As an abort after so long. */
  timeoutMs?: number | undefined;
  /**
   * Bytes that the server may send as the answer. Beyond it (by one chunk of 64 KiB at most) reading stops, the statement
   * is cancelled, the session is closed and the caller gets ResultTooLargeError.
   */
  bytesMax?: number | undefined;
};

export type QueryResult<R> = { rows: R[]; rowCount: number; command: string };

/** Values in PostgreSQL's text format. */
export type RawResult = {
  fields: { name: string; typeOid: number }[];
  rows: (string | null)[][];
  rowCount: number;
  command: string;
};

export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable';
export type BeginOptions = QueryOptions & {
  isolation?: IsolationLevel;
  readOnly?: boolean;
  deferrable?: boolean;
  /** Settings that end with the transaction, in the same message. The names are ours; the values may be anybody's. */
  settings?: Readonly<Record<string, string>>;
  /** Takes the snapshot at once; a transaction that has one cannot be made read-write again. */
  snapshot?: boolean;
  /**
   * Nothing is sent yet: queryRaw takes it along in its own message. A session that was silent for seconds may be dead without
   * anybody's knowing, so there it is sent at once, and who learns that has sent nothing else.
   */
  withNext?: boolean;
};
export type CommitOptions = QueryOptions & {
  /** In the same message, where the session is to be lent to others next. What fails there costs the session, not the commit. */
  thenReset?: boolean;
};

export interface Session {
  readonly id: number;
  readonly backendPid: number;
  /** False for ever once the connection was lost or closed. */
  readonly usable: boolean;
  /** By begin, commit and rollback of ours; for the server's own word see `transactionStatus`. */
  readonly inTransaction: boolean;
  /** The server's word after the last answer; undefined while a statement runs or where it was not seen. */
  readonly transactionStatus: TransactionStatus | undefined;
  /** A statement is running or waiting. */
  readonly busy: boolean;
  /** Something ran since the connection was made or reset. */
  readonly dirty: boolean;
  /** Left in a state that reset() cannot mend: it must be closed, not lent again. */
  readonly tainted: boolean;
  /** Resolves when the session has become unusable, with the reason. Never rejects. */
  readonly closed: Promise<ConnectionLostError>;
  /**
   * Extended protocol, one statement. int8 and numeric come as strings, json parsed, timestamptz as Date.
   * After an abort: the signal's reason if the server confirmed the cancel, ConnectionLostError if it did not answer,
   * the result if the statement ended well before the cancel reached it. In each case the session is unusable.
   */
  query<R = Record<string, unknown>>(
    text: string,
    params?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<QueryResult<R>>;
  /** As `query`, for statements written by somebody else: text in, text out, and watched for what reset() cannot undo. */
  queryRaw(text: string, params?: readonly (string | null)[], options?: QueryOptions): Promise<RawResult>;
  /** Simple protocol: many statements in one message, and one transaction unless they say otherwise. */
  script(text: string, options?: QueryOptions): Promise<void>;
  begin(options?: BeginOptions): Promise<void>;
  /** @throws PostgresError 25P02 if the server rolled back instead, because a statement had failed */
  commit(options?: CommitOptions): Promise<void>;
  rollback(options?: QueryOptions): Promise<void>;
  /** Back to the state after connect, prepared statements kept. Throws and closes the session where it cannot. */
  reset(): Promise<void>;
  /** Bounded (1 s), never throws, cancels what still runs. */
  close(): Promise<void>;
}
