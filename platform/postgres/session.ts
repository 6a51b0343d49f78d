// Owns opening one PostgreSQL connection, held by one borrower at a time. It is never reconnected: after a close, a FATAL
// error or a cancel it is unusable for ever, so statements of two transactions cannot meet in one (CASES.md, V2, R02).
import { checkAddress, type PostgresAddress } from './address.ts';
import { PostgresSession } from './postgres-session.ts';
import type { Session, SessionSettings } from './session-types.ts';
import { connectTransport } from './transport.ts';

export type {
  BeginOptions,
  BehindPooler,
  CommitOptions,
  IsolationLevel,
  Notice,
  QueryOptions,
  QueryResult,
  RawResult,
  Session,
  SessionSettings,
} from './session-types.ts';

/** @throws ConnectionLostError with phase `connect`, and the server's sqlstate when it refused the login */
export async function openSession(address: PostgresAddress, settings: SessionSettings): Promise<Session> {
  checkAddress(address);
  const timeoutMs = settings.connectTimeoutMs ?? connectTimeoutDefaultMs;
  const startedMs = performance.now();
  const socket = await connectTransport(address, timeoutMs);
  const session = new PostgresSession(address, settings, socket);
  await session.start(Math.max(1, timeoutMs - (performance.now() - startedMs)));
  return session;
}

const connectTimeoutDefaultMs = 5_000;
