// Owns counting the sessions of tenants' logins on the server while something runs: the highest number that was seen.
import type { PostgresAddress } from '../../../platform/postgres/address.ts';
import { openSession } from '../../../platform/postgres/session.ts';

export type SessionCount = {
  most(): number;
  /** Counts anew from what is there. */
  reset(): Promise<void>;
  close(): Promise<void>;
};

const everyMs = 5;

export async function countSessions(server: PostgresAddress): Promise<SessionCount> {
  const session = await openSession(server, { applicationName: 'bench-count' });
  let most = 0;
  let going = true;
  const count = async (): Promise<number> => {
    const { rows } = await session.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where usename ~ '^t_.*_(app_a|app_b|ro)$'`,
    );
    return rows[0]?.n ?? 0;
  };
  const counting = (async () => {
    while (going) {
      const now = await count();
      most = Math.max(most, now);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  return {
    most: () => most,
    async reset() {
      most = 0; // what is being counted now is as recent
      most = await count();
    },
    close: async () => {
      going = false;
      await counting;
      await session.close();
    },
  };
}
