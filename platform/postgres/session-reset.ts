// Owns how a session is brought back to its state after connect, and which statements leave what cannot be undone.
import { queryMessage } from './wire.ts';

/** The end of a transaction, and the reset behind it. */
export function commitAndResetMessage(advisoryLocks: boolean): Buffer {
  const variant = advisoryLocks ? 1 : 0;
  commitMessages[variant] ??= queryMessage(`COMMIT;${resetStatements(advisoryLocks).join(';')}`);
  return commitMessages[variant];
}

/**
 * DISCARD ALL without the parts that drop protocol-level prepared statements (postgres.js would then fail with 26000
 * inside the next transaction: CASES.md, S03), in one message, which the server runs as one implicit transaction.
 * SQL-level `PREPARE x` survives it, hence isPlainCommand.
 * @param mayBeInTransaction outside of one, ROLLBACK is a WARNING, which is sent, and logged by the server
 * @param advisoryLocks false where the role may not execute the functions that lock, nor the one that unlocks
 */
export function resetMessage(mayBeInTransaction: boolean, advisoryLocks: boolean): Buffer {
  const variant = (mayBeInTransaction ? 2 : 0) + (advisoryLocks ? 1 : 0);
  messages[variant] ??= queryMessage(
    (mayBeInTransaction ? 'ROLLBACK;' : '') + resetStatements(advisoryLocks).join(';'),
  );
  return messages[variant];
}

const messages: (Buffer | undefined)[] = [];
const commitMessages: (Buffer | undefined)[] = [];

export function resetStatements(advisoryLocks: boolean): string[] {
  return [
    'RESET SESSION AUTHORIZATION', // also ends SET ROLE
    'RESET ALL',
    'CLOSE ALL', // cursors WITH HOLD
    'UNLISTEN *',
    ...(advisoryLocks ? ['SELECT pg_catalog.pg_advisory_unlock_all()'] : []),
    'DISCARD TEMP',
    'DISCARD SEQUENCES', // currval() and lastval()
  ];
}

/** By its command tag: data and transaction control, after which reset() leaves nothing behind. */
export function isPlainCommand(tag: string): boolean {
  return plainCommands.has(tag);
}

const plainCommands = new Set([
  '', // an empty statement
  'SELECT',
  'INSERT',
  'UPDATE',
  'DELETE',
  'MERGE',
  'FETCH',
  'MOVE',
  'DECLARE CURSOR',
  'CLOSE CURSOR',
  'EXPLAIN',
  'SHOW',
  'LOCK TABLE',
  'BEGIN',
  'START TRANSACTION',
  'COMMIT',
  'ROLLBACK',
  'SAVEPOINT',
  'RELEASE',
  'SET CONSTRAINTS',
  'SET', // undone by RESET ALL and RESET SESSION AUTHORIZATION
  'RESET',
]);
