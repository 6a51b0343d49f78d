// Owns the plain connection tests use behind the product's back: to look, to break things, to make scratch databases.
import pg from 'pg';
import type { ServerAddress } from './server-address.ts';

/** One connection for one call; closed at the end whatever happens. */
export async function superuserSql<R = Record<string, unknown>>(
  address: ServerAddress,
  text: string,
  params: unknown[] = [],
): Promise<R[]> {
  const client = new pg.Client({ ...address, application_name: 'test-superuser' });
  client.on('error', () => {}); // a server killed by the test ends this connection too; the query says so itself
  await client.connect();
  try {
    return (await client.query(text, params)).rows as R[];
  } finally {
    await client.end();
  }
}
