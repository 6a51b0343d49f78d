// Owns why a database did not answer, in words without hosts and names: a report goes to whoever may ask for it.
import { isFault } from '../../../platform/errors.ts';
import { ConnectionLostError, PostgresError } from '../../../platform/postgres/errors.ts';

export type Unanswered = { code: string; message: string };

export function describeUnanswered(error: unknown): Unanswered {
  if (error instanceof PostgresError) return { code: error.sqlstate, message: error.message };
  if (error instanceof ConnectionLostError) {
    const code = error.sqlstate ?? 'unreachable';
    return { code, message: `The server does not answer or refuses the login (${code}).` };
  }
  if (isFault(error)) return { code: error.code, message: error.message };
  if (error instanceof Error && /Timeout|Abort|TooLarge/.test(error.name)) {
    return { code: error.name, message: error.name === 'TimeoutError' ? 'It took too long.' : error.message };
  }
  return { code: 'failed', message: 'The database could not be asked; the log of the control plane says why.' };
}
