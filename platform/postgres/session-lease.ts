// Owns the borrower's side of a lease: a session that stops working for its borrower at the moment of release, so that
// a forgotten promise cannot speak in the next borrower's transaction.
import { ConnectionLostError } from './errors.ts';
import type { BeginOptions, CommitOptions, QueryOptions, QueryResult, RawResult, Session } from './session.ts';

export interface Lease {
  readonly session: Session;
  /** Gives the session back. A second call is harmless. */
  release(): void;
  /** Gives it back to be closed. */
  discard(reason: string): void;
}

/** @param onReturn is called once, with the reason if the session must be closed */
export function createLease(session: Session, onReturn: (discardReason: string | undefined) => void): Lease {
  const lent = new LentSession(session);
  const giveBack = (reason: string | undefined) => {
    if (lent.revoke()) onReturn(reason);
  };
  return { session: lent, release: () => giveBack(undefined), discard: giveBack };
}

class LentSession implements Session {
  readonly #session: Session;
  #revoked = false;

  constructor(session: Session) {
    this.#session = session;
  }

  /** True the first time. */
  revoke(): boolean {
    const first = !this.#revoked;
    this.#revoked = true;
    return first;
  }

  get id() {
    return this.#session.id;
  }
  get backendPid() {
    return this.#session.backendPid;
  }
  get usable() {
    return !this.#revoked && this.#session.usable;
  }
  get inTransaction() {
    return this.#session.inTransaction;
  }
  get transactionStatus() {
    return this.#session.transactionStatus;
  }
  get busy() {
    return this.#session.busy;
  }
  get dirty() {
    return this.#session.dirty;
  }
  get tainted() {
    return this.#session.tainted;
  }
  get closed() {
    return this.#session.closed;
  }

  query<R>(text: string, params?: readonly unknown[], options?: QueryOptions): Promise<QueryResult<R>> {
    return this.#revoked ? tooLate() : this.#session.query<R>(text, params, options);
  }
  queryRaw(text: string, params?: readonly (string | null)[], options?: QueryOptions): Promise<RawResult> {
    return this.#revoked ? tooLate() : this.#session.queryRaw(text, params, options);
  }
  script(text: string, options?: QueryOptions): Promise<void> {
    return this.#revoked ? tooLate() : this.#session.script(text, options);
  }
  begin(options?: BeginOptions): Promise<void> {
    return this.#revoked ? tooLate() : this.#session.begin(options);
  }
  commit(options?: CommitOptions): Promise<void> {
    return this.#revoked ? tooLate() : this.#session.commit(options);
  }
  rollback(options?: QueryOptions): Promise<void> {
    return this.#revoked ? tooLate() : this.#session.rollback(options);
  }
  reset(): Promise<void> {
    return this.#revoked ? tooLate() : this.#session.reset();
  }
  close(): Promise<void> {
    return this.#revoked ? Promise.resolve() : this.#session.close();
  }
}

function tooLate(): Promise<never> {
  return Promise.reject(
    new ConnectionLostError('idle', 'the session was given back to its pool before this statement'),
  );
}
