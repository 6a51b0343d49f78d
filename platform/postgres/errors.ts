// Owns the two errors that PostgreSQL sessions throw, and what may be done about them.
// PostgresError: the server answered, and the statement had no effect. ConnectionLostError: nobody answered.

/** The fields of an ErrorResponse, by the names of the protocol documentation (section 54.8). */
export type ServerErrorFields = {
  message: string;
  code: string;
  severity?: string | undefined;
  detail?: string | undefined;
  hint?: string | undefined;
  position?: string | undefined;
  internal_position?: string | undefined;
  internal_query?: string | undefined;
  where?: string | undefined;
  schema_name?: string | undefined;
  table_name?: string | undefined;
  column_name?: string | undefined;
  'data type_name'?: string | undefined; // the space is how postgres.js spells it
  constraint_name?: string | undefined;
  file?: string | undefined;
  line?: string | undefined;
  routine?: string | undefined;
};

/** An error that the server reported. All members are the server's own words. */
export class PostgresError extends Error {
  readonly sqlstate: string;
  readonly severity: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly position: string | undefined;
  readonly internalPosition: string | undefined;
  readonly internalQuery: string | undefined;
  readonly where: string | undefined;
  readonly schema: string | undefined;
  readonly table: string | undefined;
  readonly column: string | undefined;
  readonly dataType: string | undefined;
  readonly constraint: string | undefined;
  readonly file: string | undefined;
  readonly line: string | undefined;
  readonly routine: string | undefined;
  /** Of a message with several statements: how many had been answered before the one that failed. */
  readonly statementsBefore: number | undefined;

  constructor(fields: ServerErrorFields, statementsBefore?: number) {
    super(fields.message);
    this.name = 'PostgresError';
    this.sqlstate = fields.code;
    this.severity = fields.severity ?? 'ERROR';
    this.detail = fields.detail;
    this.hint = fields.hint;
    this.position = fields.position;
    this.internalPosition = fields.internal_position;
    this.internalQuery = fields.internal_query;
    this.where = fields.where;
    this.schema = fields.schema_name;
    this.table = fields.table_name;
    this.column = fields.column_name;
    this.dataType = fields['data type_name'];
    this.constraint = fields.constraint_name;
    this.file = fields.file;
    this.line = fields.line;
    this.routine = fields.routine;
    this.statementsBefore = statementsBefore;
  }
}

/**
 * The session is gone. `phase` says what the caller may believe:
 * `connect`: there never was a session; `idle`: the statement was never sent, so it has no effect;
 * `query`: it was sent and never answered, so whether it took effect is unknown.
 */
export class ConnectionLostError extends Error {
  readonly phase: 'connect' | 'query' | 'idle';
  /** What the server gave as reason before it hung up, such as 57P01 for a terminated backend. */
  readonly sqlstate: string | undefined;

  constructor(
    phase: 'connect' | 'query' | 'idle',
    message: string,
    options: { sqlstate?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ConnectionLostError';
    this.phase = phase;
    this.sqlstate = options.sqlstate;
  }
}

/** The answer was larger than its caller allowed. A single statement has had no effect unless it was already committed by then. */
export class ResultTooLargeError extends Error {
  constructor() {
    super('the result is larger than allowed');
    this.name = 'ResultTooLargeError';
  }
}

/** Worth another attempt later. Whether the first attempt took effect is a separate question: see `phase`. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ConnectionLostError) {
    // A refused login stays refused: wrong password (28), unknown database (3D), no right to connect (42), closed to
    // connections (55000). Everything else that ends a connection passes.
    return error.phase !== 'connect' || !/^(28|3D|42|0A|55000)/.test(error.sqlstate ?? '');
  }
  if (!(error instanceof PostgresError)) return false;
  if (transientStates.has(error.sqlstate) || /^(08|53|57P0)/.test(error.sqlstate)) return true;
  // Two GRANTs or ALTERs on one catalog row at once; and a plan that outlived a migration (postgres.js has dropped it).
  return (
    (error.sqlstate === 'XX000' && error.message.includes('tuple concurrently updated')) ||
    (error.sqlstate === '0A000' && error.routine === 'RevalidateCachedQuery')
  );
}

const transientStates = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '55006', // object_in_use
  '55P03', // lock_not_available
]);

export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  return (
    error instanceof PostgresError &&
    error.sqlstate === '23505' &&
    (constraint === undefined || error.constraint === constraint)
  );
}
