// Owns what happens to canary tenants and their runtimes while they are asked: each act is one that operators, crashes and
// attackers really do, and each leaves everything as it was, but for a new generation, a new login or a new process.
import type { Client } from '../../control-plane/client.ts';
import { type CanaryTenant, minted } from './canary-fleet.ts';
import type { LiveRuntimes } from './live-runtimes.ts';
import type { ProcessHouse } from './process-house.ts';
import { superuserSql } from './superuser-sql.ts';

export type FaultField = {
  readonly house: ProcessHouse;
  readonly client: Client;
  readonly runtimes: LiveRuntimes;
  readonly tenants: readonly CanaryTenant[];
  /** Suspended at the moment. */
  readonly away: Set<string>;
  /** Tokens from before a suspension: good for nothing any more. */
  readonly revoked: { id: string; token: string }[];
};

export type Fault = (field: FaultField, tenant: CanaryTenant) => Promise<void>;

export const faults = {
  async 'sessions killed'(_, { address }) {
    await superuserSql(
      { ...address, database: 'postgres' },
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1',
      [address.database],
    );
  },
  async 'route moved'({ house }, { id }) {
    await house.inCatalog('update tenants set generation = generation + 1 where id = $1', [id]);
  },
  /** To the other one of the two application logins. */
  async 'login rotated'({ house }, { id }) {
    await house.inCatalog(
      `with flipped as (update databases set active_login = case active_login when 'app_a' then 'app_b' else 'app_a' end
         where tenant_id = $1 and state = 'claimed')
       update tenants set generation = generation + 1 where id = $1`,
      [id],
    );
  },
  async 'tenant suspended and resumed'({ client, away, revoked }, tenant) {
    away.add(tenant.id);
    const { id, token } = tenant;
    await client.tenants.suspend(id, { waitSec: 60 });
    revoked.push({ id, token });
    await client.tenants.resume(id, { waitSec: 60 });
    Object.assign(tenant, await minted(client, id));
    away.delete(id);
  },
  /** The catalog lies: each of two tenants is sent to the database of the other. */
  async 'routes exchanged'({ house, tenants }, one) {
    const other = tenants.find(({ id, address }) => id !== one.id && address.port === one.address.port);
    if (other === undefined) return;
    await exchange(house, one, other);
    await exchange(house, other, one);
  },
  async 'signing keys rotated'({ client }) {
    await client.signingKeys.rotate();
  },
  async 'runtime killed'({ runtimes }) {
    await runtimes.kill();
  },
} satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;

/** @param second what `first` is given for its own, and the other way round */
async function exchange(house: ProcessHouse, first: CanaryTenant, second: CanaryTenant): Promise<void> {
  await house.inCatalog(
    `do $$ begin
       update databases set state = 'retiring' where id in ('${first.databaseId}', '${second.databaseId}');
       update databases set tenant_id = case tenant_id when '${first.id}' then '${second.id}' else '${first.id}' end
         where id in ('${first.databaseId}', '${second.databaseId}');
       update databases set state = 'claimed' where id in ('${first.databaseId}', '${second.databaseId}');
       update tenants set generation = generation + 1 where id in ('${first.id}', '${second.id}');
     end $$`,
  );
}
