// Owns asking a server for an answer that may be a refusal: the SQLSTATE of either.

import type { PostgresAddress } from '../../platform/postgres/address.ts';
import { ConnectionLostError, PostgresError } from '../../platform/postgres/errors.ts';
import { openSession, type Session } from '../../platform/postgres/session.ts';

/** '00000' when the statement succeeded. */
export async function sqlstateOf(session: Session, sql: string, params: unknown[] = []): Promise<string> {
  return stateOf(session.query(sql, params));
}

/** '00000' when the login succeeded. */
export async function loginStateOf(address: PostgresAddress): Promise<string> {
  return stateOf(openSession(address, { applicationName: 'freehold-test' }).then((session) => session.close()));
}

async function stateOf(act: Promise<unknown>): Promise<string> {
  try {
    await act;
    return '00000';
  } catch (error) {
    if (error instanceof PostgresError) return error.sqlstate;
    if (error instanceof ConnectionLostError && error.sqlstate !== undefined) return error.sqlstate;
    throw error;
  }
}
