// Owns telling what a failure of a statement means for its session, and freeing errors of what must not be logged.
import postgres from 'postgres';
import { PostgresError, type ServerErrorFields } from './errors.ts';

export function endsSession(error: PostgresError): boolean {
  return error.severity === 'FATAL' || error.severity === 'PANIC' || /^(08|57P0)/.test(error.sqlstate);
}

export function errorText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Without what postgres.js hangs on errors: the statement and its parameters, which may be a tenant's data. */
export function bare(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  return Object.assign(new Error(thrown.message), { code: (thrown as NodeJS.ErrnoException).code });
}

export function serverErrorOf(thrown: unknown): PostgresError | undefined {
  if (thrown instanceof PostgresError) return thrown;
  if (!(thrown instanceof postgres.PostgresError)) return undefined;
  const fields = thrown as unknown as ServerErrorFields & { severity_local?: string };
  return new PostgresError({ ...fields, message: thrown.message, severity: fields.severity ?? fields.severity_local });
}
