// Owns the one error shape of the project: a Fault has a stable code, a kind, a message for the client and,
// optionally, a second message for the log. HTTP statuses are decided in platform/http/problem.ts and nowhere else.

/** What went wrong, in a word the edge can turn into an HTTP status and a program can branch on. */
export type FaultKind =
  | 'invalid' // the request can never succeed as it stands
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'method-not-allowed'
  | 'conflict' // the resource is in a state that does not allow it
  | 'stale' // If-Match did not match
  | 'precondition-required' // If-Match or Idempotency-Key was missing
  | 'unprocessable' // well formed, but contradicts an earlier request
  | 'locked' // another operation holds the resource; retry later
  | 'too-large'
  | 'too-many'
  | 'timeout'
  | 'unavailable' // something we need is away; retry later
  | 'internal';

/** What ERRORS.md says about a code: written for the person who reads it at three in the morning. */
export type FaultSpec = {
  readonly kind: FaultKind;
  /** One line, the same at every occurrence. */
  readonly title: string;
  readonly cause: string;
  readonly check: string;
  /** Who can mend it. */
  readonly who: 'client' | 'operator' | 'dba' | 'developer';
};

/** As people read it. */
export const whoActs: Readonly<Record<FaultSpec['who'], string>> = {
  client: 'the caller',
  operator: 'the operator',
  dba: 'the DBA',
  developer: 'the developers of Freehold',
};

/** A table of specs; the key is the stable code. */
export type FaultTable = Readonly<Record<string, FaultSpec>>;

export type FaultOptions = {
  /** For the log only: may name hosts, databases, SQL. Never leaves the process. */
  readonly internal?: string;
  readonly cause?: unknown;
  /** Extra public members of the problem document, such as operation_id. */
  readonly extra?: Readonly<Record<string, unknown>>;
  readonly retryAfterMs?: number;
};

export class Fault extends Error {
  readonly code: string;
  readonly spec: FaultSpec;
  readonly internal: string | undefined;
  readonly extra: Readonly<Record<string, unknown>>;
  readonly retryAfterMs: number | undefined;

  /** @param publicMessage a sentence that says what to do; safe to show to any client. */
  constructor(code: string, spec: FaultSpec, publicMessage: string, options: FaultOptions = {}) {
    super(publicMessage, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Fault';
    this.code = code;
    this.spec = spec;
    this.internal = options.internal;
    this.extra = options.extra ?? {};
    this.retryAfterMs = options.retryAfterMs;
  }

  get kind(): FaultKind {
    return this.spec.kind;
  }
}

/** Makes the constructor of faults for one table, so that a code that is not in the table does not compile. */
export function faultsOf<T extends FaultTable>(table: T) {
  return (code: keyof T & string, publicMessage: string, options?: FaultOptions): Fault =>
    new Fault(code, table[code] as FaultSpec, publicMessage, options);
}

export function isFault(error: unknown, code?: string): error is Fault {
  return error instanceof Fault && (code === undefined || error.code === code);
}
