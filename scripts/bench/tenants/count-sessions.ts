// Owns counting the sessions of tenants' logins on the server while something runs: the highest number that was seen.
import type { PostgresAddress } from '../../../platform/postgres/address.ts';
import { openSession } from '../../../platform/postgres/session.ts';

export type SessionCount = { most(): number; reset(): void; close(): Promise<void> };

const everyMs = 5;

export async function countSessions(server: PostgresAddress): Promise<SessionCount> {
  const session = await openSession(server, { applicationName: 'bench-count' });
  let most = 0;
  let going = true;
  const counting = (async () => {
    while (going) {
      const { rows } = await session.query<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity where usename ~ '^t_.*_(app_a|app_b|ro)$'`,
      );
      most = Math.max(most, rows[0]?.n ?? 0);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  return {
    most: () => most,
    reset: () => {
      most = 0;
    },
    close: async () => {
      going = false;
      await counting;
      await session.close();
    },
  };
}
