// Owns the floor under a warm claim: the same rows in the catalog, the same identity row over a fresh connection of the migrator,
// the first query over a fresh connection of the application's login. Two transactions in the catalog, two logins, nothing else.
import type { DatabaseId } from '../../../catalog/ids.ts';
import { type Login, namesOf, secretContext } from '../../../catalog/names.ts';
import { openSession, type Session } from '../../../platform/postgres/session.ts';
import { activate, insertTenantRows, newBareTenant } from './catalog-rows.ts';
import { timed } from './figures.ts';
import type { House } from './house.ts';
import { firstQueryText } from './product.ts';

/** `create` is what the create call does, `query` what the first query does; minting has no counterpart. */
export async function bareWarm(house: House, slug: string): Promise<{ create: number; query: number }> {
  const tenant = newBareTenant(slug, house.warm.region);
  const claimed = await timed(async () => {
    await house.catalog.begin();
    await insertTenantRows(house.catalog, tenant, 3);
    const database = await claim(house, tenant.tenantId);
    await house.catalog.commit();
    const { owner } = namesOf(database.id);
    await inside(house, database.id, 'mig', database.mig, async (session) => {
      await session.query(`set role ${owner}`);
      const { rowCount } = await session.query(
        'update freehold.identity set tenant_id = $2, claimed_at = now() where database_id = $1 and tenant_id is null',
        [database.id, tenant.tenantId],
      );
      if (rowCount !== 1) throw new Error('the identity row was not free');
    });
    await activate(house.catalog, tenant, database.id, ['choose-database', 'stamp-identity', 'activate']);
    return database;
  });
  const queried = await timed(() =>
    inside(house, claimed.value.id, 'app_a', claimed.value.app, (session) => session.query(firstQueryText)),
  );
  return { create: claimed.ms, query: queried.ms };
}

type Claimed = { id: DatabaseId; mig: string; app: string };

async function claim({ catalog, warm }: House, tenantId: string): Promise<Claimed> {
  const { rows } = await catalog.query<Claimed>(
    `with picked as (select id from databases where state = 'warm' and cluster_id = $2 order by created_at limit 1
        for update skip locked),
      claimed as (update databases d set state = 'claimed', tenant_id = $1, claimed_at = now(), version = version + 1
        from picked where d.id = picked.id returning d.id)
      select c.id, m.sealed as mig, a.sealed as app from claimed c
        join database_secrets m on m.database_id = c.id and m.login = 'mig'
        join database_secrets a on a.database_id = c.id and a.login = 'app_a'`,
    [tenantId, warm.id],
  );
  if (rows[0] === undefined) throw new Error('no warm database is left');
  return rows[0];
}

/** The close is not waited for: it is no part of being ready. */
async function inside(
  { warm, sealer }: House,
  id: DatabaseId,
  login: Login,
  sealed: string,
  act: (session: Session) => Promise<unknown>,
): Promise<void> {
  const { database, logins } = namesOf(id);
  const password = sealer.open(sealed, secretContext(id, login));
  const session = await openSession(
    { ...warm.address, database, user: logins[login], password },
    { applicationName: 'freehold-bench' },
  );
  try {
    await act(session);
  } finally {
    void session.close();
  }
}
