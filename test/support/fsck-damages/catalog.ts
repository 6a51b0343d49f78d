// Owns one damage for every finding about rows of the catalog.
import { newId } from '../../../catalog/ids.ts';
import { type Login, namesOf, secretContext } from '../../../catalog/names.ts';
import { createSealer } from '../../../platform/sealing.ts';
import type { FsckHouse } from '../fsck-house.ts';
import { catalog, type Damage, type Row } from './damage.ts';

const sealingKey = (id: string) => createSealer({ keys: [{ id, key: new Uint8Array(32).fill(9) }], currentKeyId: id });

export const damagesToCatalog = {
  tenant_without_database: (house) => strayTenant(house, 'active'),
  tenant_stuck: (house) => strayTenant(house, 'provisioning'),
  tenant_with_two_databases: (house) => ({
    damage: async () => {
      await house.inCatalog('drop index databases_one_per_tenant');
      await house.inCatalog(
        `update databases set state = 'claimed', tenant_id = '${house.alpha.tenant_id}' where id = '${house.warm.id}'`,
      );
      await house.inside(
        house.warm,
        `update freehold.identity set tenant_id = '${house.alpha.tenant_id}', claimed_at = now()`,
      );
    },
    repair: async () => {
      await house.inside(house.warm, 'update freehold.identity set tenant_id = null, claimed_at = null');
      await house.inCatalog(`update databases set state = 'warm', tenant_id = null where id = '${house.warm.id}'`);
      await house.inCatalog(
        `create unique index databases_one_per_tenant on databases (tenant_id) where state in ('creating', 'claimed')`,
      );
    },
    object: new RegExp(`^${house.alpha.tenant_id}$`),
  }),
  database_of_gone_tenant: (house) => {
    const state = (value: string) => `update tenants set state = '${value}' where id = '${house.alpha.tenant_id}'`;
    return catalog(house, house.alpha.name, state('failed'), state('active'));
  },
  database_unsettled: (house) => {
    const id = newId('database');
    const used = (by: string) =>
      `update clusters set databases_used = databases_used ${by} where id = '${house.alpha.cluster_id}'`;
    return catalog(
      house,
      namesOf(id).database,
      `insert into databases (id, cluster_id, state) values ('${id}', '${house.alpha.cluster_id}', 'retiring'); ${used('+ 1')}`,
      `delete from databases where id = '${id}'; ${used('- 1')}`,
    );
  },
  fence_misfit: (house) => ({
    damage: async () => {
      await house.inCatalog(`update databases set fenced = true where id = '${house.warm.id}'`);
      await house.onCluster(house.warm, `alter database ${house.warm.name} allow_connections false`);
    },
    repair: async () => {
      await house.onCluster(house.warm, `alter database ${house.warm.name} allow_connections true`);
      await house.inCatalog(`update databases set fenced = false where id = '${house.warm.id}'`);
    },
    object: new RegExp(`^${house.warm.name}$`),
  }),
  databases_used_wrong: (house) =>
    catalog(
      house,
      'one',
      `update clusters set databases_used = databases_used + 3 where name = 'one'`,
      `update clusters set databases_used = databases_used - 3 where name = 'one'`,
    ),
  operation_misfit: (house) => {
    const id = newId('operation');
    return catalog(
      house,
      id,
      `insert into operations (id, kind, tenant_id, actor) values ('${id}', 'suspend-tenant', '${house.alpha.tenant_id}', 'test')`,
      `delete from operations where id = '${id}'`,
    );
  },
  idempotency_dangling: (house) =>
    catalog(
      house,
      'test/lost',
      `insert into idempotency_keys (principal, key, request_hash, tenant_id, operation_id, expires_at)
       values ('test', 'lost', 'x', '${newId('tenant')}', '${newId('operation')}', now() + interval '1 day')`,
      `delete from idempotency_keys where key = 'lost'`,
    ),
  route_incomplete: (house) =>
    catalog(
      house,
      `route of ${house.alpha.tenant_id}`,
      `alter view runtime.routes rename to kept;
       create view runtime.routes as select * from runtime.kept where tenant_id <> '${house.alpha.tenant_id}'`,
      'drop view runtime.routes; alter view runtime.kept rename to routes',
    ),
  runtime_rights: (house) =>
    catalog(
      house,
      'freehold_runtime',
      'grant update on tenants to freehold_runtime',
      'revoke update on tenants from freehold_runtime',
    ),
  secret_missing: (house) => changedSecret(house, house.warm, 'app_b', undefined),
  secret_left: (house) =>
    catalog(
      house,
      secretContext(house.dropped.id, 'mig'),
      `insert into database_secrets (database_id, login, sealed) values ('${house.dropped.id}', 'mig', 'v1.test.a.b')`,
      `delete from database_secrets where database_id = '${house.dropped.id}'`,
    ),
  secret_key_unknown: (house) =>
    changedSecret(house, house.warm, 'app_b', sealingKey('lost').seal('x', secretContext(house.warm.id, 'app_b'))),
  // Good, and of somebody else: a copied row.
  secret_damaged: (house) =>
    changedSecret(
      house,
      house.warm,
      'app_b',
      house.installation.sealer.seal('x', secretContext(house.alpha.id, 'app_b')),
    ),
} as const satisfies Record<string, (house: FsckHouse) => Damage>;

function strayTenant(house: FsckHouse, state: string): Damage {
  const id = newId('tenant');
  return catalog(
    house,
    id,
    `insert into tenants (id, slug, name, region, tier, plan_id, state) values ('${id}', 'stray', 'Stray', 'here', 'shared', 'team', '${state}')`,
    `delete from tenants where id = '${id}'`,
  );
}

function changedSecret(house: FsckHouse, { id }: Row, login: Login, sealed: string | undefined): Damage {
  let before: unknown;
  const where = `where database_id = '${id}' and login = '${login}'`;
  return {
    damage: async () => {
      [{ sealed: before } = { sealed: '' }] = await house.inCatalog(`select sealed from database_secrets ${where}`);
      await house.inCatalog(`delete from database_secrets ${where}`);
      if (sealed !== undefined)
        await house.inCatalog('insert into database_secrets values ($1, $2, $3)', [id, login, sealed]);
    },
    repair: async () => {
      await house.inCatalog(`delete from database_secrets ${where}`);
      await house.inCatalog('insert into database_secrets values ($1, $2, $3)', [id, login, before]);
    },
    object: new RegExp(`^${secretContext(id, login)}$`),
  };
}
