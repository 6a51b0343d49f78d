// Owns the proof that a test file leaves no session behind: whatever was opened was closed or handed back and closed.
import { afterAll, expect } from 'vitest';
import type { ServerAddress } from './server-address.ts';
import { superuserSql } from './superuser-sql.ts';
import { waitUntil } from './wait-until.ts';

/**
 * A closed session disappears from pg_stat_activity a moment after the client's end; on a machine whose two cores are busy with
 * ten servers that moment was seen to be longer than three seconds. A leak stays for ever.
 */
const goneWithinMs = 20_000;

/**
 * Call it at the top of a test file: hooks end in reverse order, so that it looks after every other afterAll of the file,
 * also after the one that drops a database (a drop that forgives would hide the leak: look before it where that matters).
 * The addresses are asked for at the end, when they are known.
 */
export function checkForLeaks(addresses: () => readonly ServerAddress[]): void {
  afterAll(() => expectNoSessions(addresses()));
}

export async function expectNoSessions(addresses: readonly ServerAddress[]): Promise<void> {
  for (const address of addresses) {
    let left: string[] = [];
    const look = async () => {
      left = await freeholdSessions(address);
      return left.length === 0;
    };
    await waitUntil(look, { what: `no session left in ${address.database}`, timeoutMs: goneWithinMs }).catch(() => {});
    expect(left, `sessions left in database ${address.database}`).toEqual([]);
  }
}

async function freeholdSessions(address: ServerAddress): Promise<string[]> {
  const rows = await superuserSql<{ line: string }>(
    { ...address, database: 'postgres' },
    `SELECT format('%s as %s: %s, %s', application_name, usename, state, left(query, 80)) AS line
     FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'freehold%' ORDER BY 1`,
    [address.database],
  );
  return rows.map((row) => row.line);
}
