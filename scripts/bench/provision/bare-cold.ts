// Owns the floor under a cold create: by a superuser, the same six roles with their memberships, passwords, limits and marks,
// the same database from the same template, opened, both lanes and the identity row over one fresh connection of the migrator,
// and the same rows in the catalog. Sessions that the product keeps open (catalog, cluster) are open here too.
import { randomUUID } from 'node:crypto';
import { type DatabaseId, newId } from '../../../catalog/ids.ts';
import { type Login, logins, namesOf, secretContext } from '../../../catalog/names.ts';
import { sealPasswords } from '../../../control-plane/operations/seal-passwords.ts';
import { defaultBookkeeping } from '../../../control-plane/postgres/bookkeeping-table.ts';
import { markOf } from '../../../control-plane/postgres/cluster-marks.ts';
import { planMigration } from '../../../control-plane/postgres/plan-migration.ts';
import { scramVerifier } from '../../../platform/postgres/scram.ts';
import { openSession } from '../../../platform/postgres/session.ts';
import { activate, insertTenantRows, newBareTenant } from './catalog-rows.ts';
import { timed } from './figures.ts';
import type { House } from './house.ts';

export async function bareCold(house: House, slug: string): Promise<number> {
  const { catalog, cold, sealer } = house;
  const tenant = newBareTenant(slug, cold.region);
  const id = newId('database');
  const names = namesOf(id);
  const { ms } = await timed(async () => {
    const sealed = sealPasswords(sealer, id);
    await catalog.begin();
    await insertTenantRows(catalog, tenant, 7);
    await catalog.query(insertDatabaseSql, [
      id,
      cold.id,
      tenant.tenantId,
      `{${logins.join(',')}}`,
      `{${logins.map((login) => sealed[login]).join(',')}}`,
    ]);
    await catalog.commit();

    const passwords = logins.map((login) => [login, sealer.open(sealed[login], secretContext(id, login))] as const);
    const mark = markOf(id, sealer.mac('cluster-mark', id));
    await cold.superuser.script(rolesSql(id, Object.fromEntries(passwords) as Record<Login, string>, mark));
    await cold.superuser.query(
      `create database ${names.database} template freehold_template owner ${names.owner} allow_connections false strategy wal_log`,
    );
    await cold.superuser.script(`revoke all on database ${names.database} from public;
      grant connect on database ${names.database} to ${names.database};
      comment on database ${names.database} is '${mark}';
      alter database ${names.database} allow_connections true`);
    const [, password] = passwords.find(([login]) => login === 'mig') as [Login, string];
    const session = await openSession(
      { ...cold.address, database: names.database, user: names.logins.mig, password },
      { applicationName: 'freehold-bench' },
    );
    await session.query(`set role ${names.owner}`);
    const frame = frameOf(names.owner);
    const { lanes } = house;
    const plan = planMigration({ lanes, applied: [], withActor: false, bookkeeping: frame.bookkeeping, frame });
    await session.script(plan.message);
    await session.query('update freehold.identity set tenant_id = $2, claimed_at = now() where database_id = $1', [
      id,
      tenant.tenantId,
    ]);
    void session.close();
    await activate(catalog, tenant, id, coldSteps);
  });
  return ms;
}

const coldSteps = [
  'choose-database',
  'make-roles',
  'create-database',
  'open-database',
  'apply-schema',
  'stamp-identity',
  'activate',
];

const insertDatabaseSql = `with slot as (update clusters set databases_used = databases_used + 1 where id = $2::text),
    row as (insert into databases (id, cluster_id, tenant_id, state) values ($1::text, $2::text, $3::text, 'creating') returning id)
  insert into database_secrets (database_id, login, sealed)
    select row.id, login, sealed from row, unnest($4::text[], $5::text[]) as secret (login, sealed)`;

/** What provisioning.sql's make_roles leaves, without its checks. */
function rolesSql(id: DatabaseId, passwords: Record<Login, string>, mark: string): string {
  const { database, owner, logins: roles } = namesOf(id);
  const all = [database, owner, ...Object.values(roles)];
  return [
    ...all.map((role) => `create role ${role}`),
    ...all.map((role) => `comment on role ${role} is '${mark}'`),
    `grant freehold_migrators to ${owner} with inherit true, set false`,
    `grant ${owner} to ${roles.mig} with inherit false, set true`,
    ...logins.flatMap((login) => [
      `alter role ${roles[login]} login connection limit ${login === 'mig' ? 3 : 20} password '${scramVerifier(passwords[login])}'`,
      `grant ${database} to ${roles[login]} with inherit true, set false`,
      `grant freehold_tenants to ${roles[login]} with inherit false, set false`,
      `alter role ${roles[login]} set search_path = public, pg_temp`,
      `alter role ${roles[login]} set idle_in_transaction_session_timeout = '60s'`,
      ...(login === 'mig'
        ? [`alter role ${roles.mig} set lock_timeout = '5s'`]
        : [
            `alter role ${roles[login]} set temp_file_limit = 1048576`,
            `alter role ${roles[login]} set statement_timeout = 15000`,
          ]),
    ]),
    `alter role ${roles.ro} set default_transaction_read_only = on`,
  ].join(';\n');
}

function frameOf(owner: string) {
  const patience = { lockTimeoutMs: 10_000, statementTimeoutMs: 60_000 };
  return { owner, run: randomUUID(), actor: 'bench', ...patience, bookkeeping: defaultBookkeeping };
}
